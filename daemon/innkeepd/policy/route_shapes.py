"""What a prompt looks like, beyond single words: code, commands, errors, mathematics, and what is asked to be made.

Every pattern is bounded, so that no text takes long. A shape counts once however often it occurs.
"""

import re

from msgspec import Struct

__all__ = ["FALSE_FRIENDS", "SHAPES", "Shape"]


class Shape(Struct, frozen=True):
    """One recognisable form: for whom it speaks, how loudly, and what a person is told."""

    role: str
    weight: float
    label: str
    pattern: re.Pattern[str]


def _shape(role: str, weight: float, label: str, pattern: str, flags: re.RegexFlag = re.IGNORECASE) -> Shape:
    return Shape(role, weight, label, re.compile(pattern, flags | re.MULTILINE))


_EXACT = re.RegexFlag(0)
_TEXTS = (
    r"(?:e-?mails?|letters?|poems?|haikus?|stor(?:y|ies)|essays?|blog|posts?|articles?|songs?|lyrics|speech|toasts?|jokes?|"
    r"captions?|slogans?|taglines?|bios?|reviews?|dialogues?|conversations?|messages?|invitations?|announcements?|ads?|"
    r"advertisements?|press release|paragraphs?|summary|summaries|outlines?|agenda|itinerary|recipes?|plans?|cards?|"
    r"cover letter|resume|newsletters?|tweets?|questionnaires?|surveys?|monologue|scene|lists?|descriptions?|copy|notes?|"
    r"thank[- ]you|sentences?|headlines?|titles?|names|ideas|tips|quotes?|template|obituary|eulogy|limerick|podcast)"
)
_CODE_THINGS = (
    r"(?:functions?|programs?|script|quer(?:y|ies)|class|method|code|regex(?:es)?|regular expressions?|commands?|"
    r"one-liner|api|endpoint|unit tests?|tests for|algorithm|dockerfile|macro|webpage|web page|website|"
    r"(?:web |mobile |android |ios |react |cli )app|component|module|decorator|parser|scraper|crawler|bot|"
    r"data structure|migration|schema|workflow|makefile|syntax|stored procedure|trigger|hook|middleware|cron job)"
)
_MAKE = r"\b(?:write|create|make|draft|compose|generate|design|develop|build|prepare|implement|give me|need|produce|craft)\b"
_MAKE_TEXT = r"\b(?:write|create|make|draft|compose|generate|design|prepare|give|craft|come up with|need|suggest|plan|proofread)\b"
_LANGUAGES = r"(?:english|french|spanish|german|korean|japanese|chinese|italian|russian|arabic|portuguese|latin|hindi|dutch)"

SHAPES: tuple[Shape, ...] = (
    # code
    _shape("coding", 3.0, "code fence", r"^\s{0,8}(?:```|~~~)"),
    _shape("coding", 3.5, "stack trace", r"Traceback \(most recent|^\s{1,8}at [\w.$<>]+\([^)\n]{0,80}:\d+|^\s{0,8}File \"[^\"\n]{1,200}\", line \d"),
    _shape("coding", 3.0, "error message", r"\b\w{2,40}(?:Error|Exception)\b(?!\s+bars?)|error\[E\d|\bE[A-Z]{4,12}\b: |exit(?:ed with)? (?:code|status)|"
           r"segmentation fault|core dumped|permission denied|command not found|undefined (?:reference|is not)|"
           r"cannot (?:find|read) (?:module|propert)|\bstatus=\d{3}|\b(?:HTTP|error|status|에러)\s+[45]\d\d\b", _EXACT | re.IGNORECASE),
    _shape("coding", 3.5, "code", r"^\s{0,12}(?:def \w+\s*\(|class \w+\s*[:({]|(?:async )?function\s+\w+\s*\(|(?:from [\w.]+ )?import [\w.{*]+[\w., {}*]{0,60};?$|"
           r"#include\s*[<\"]|(?:public|private|static) [\w<>\[\]]+ \w+|(?:const|let|var) \w+ ?=|fn \w+\s*[(<]|func \w*\s*\(|package \w+;?$|"
           r"using [\w.]+;|for \w+ in [^\n]{1,60}:?$|while ?\([^\n]{1,60}\{$|if ?\([^\n]{1,60}\{$|return [\w(\[]|<\?php|#!/)", _EXACT),
    _shape("coding", 2.5, "code", r"\w\(\)|\)\s*=>|;\s*$|\w+\.\w+\([^)\n]{0,60}\)\s*$|</?\w{1,12}(?: [^>\n]{0,60})?>|>>> |\bself\.|\w->\w|"
           r"\[\w+ for \w+ in |:=|&&|\|\||!==?|\bstd::|\bprintf?\(|console\.log", _EXACT),
    _shape("coding", 3.0, "SQL", r"\bselect\b[^.?!]{1,120}\bfrom\b\s+[\w`\"(]|\binsert into\b|\bcreate table\b|\bgroup by\b|\bleft join\b|"
           r"\b\w{2,30}\((?:\w+, ){1,8}\w+\)"),
    _shape("coding", 3.0, "command", r"(?:^|[`$>]\s?)(?:sudo|git|npm|npx|pip3?|docker|kubectl|cargo|brew|apt(?:-get)?|curl|ssh|chmod|grep|awk|sed|tar|make|helm|"
           r"cd|ls|yarn|terraform|systemctl|conda) +[\w./-]|\bgit (?:push|pull|rebase|commit|merge|checkout|stash|reset|clone)\b|"
           r"\b(?:npm|pip|brew|apt) install\b", _EXACT),
    _shape("coding", 2.0, "file name", r"(?<![\w@])[\w/.-]{1,60}\.(?:py|js|jsx|tsx?|java|kt|rs|go|rb|php|c|cpp|h|cs|swift|sh|sql|html?|css|json|ya?ml|toml|"
           r"csv|log|ipynb|gradle|vue|xml|env|lock|jsonl|md)\b(?!\w)"),
    _shape("coding", 2.0, "identifier", r"\b[a-z]+_[a-z]+(?:_[a-z]+)*\b|\b[a-z]{2,}[A-Z][a-z]+[A-Za-z]*\b|@[A-Z][a-z]+[A-Z]?\w+|--[a-z]{3,}", _EXACT),
    _shape("coding", 3.5, "asks for code", _MAKE + r"(?: [\w'.+#/-]+){0,5}? " + _CODE_THINGS + r"\b(?! for (?:a |the )?(?:youtube|podcast|video|play|movie|school|speech|"
           r"fitness|training|exercise))(?! (?:committee|party|reunion))"),
    _shape("coding", 2.5, "programming language", r"\b(?:in|using|with|to|from|into) (?:C|Go|R|Rust|Swift|Java|Ruby|Dart|Lua|MATLAB|Bash)\b|\bC\+\+|\bC#|\.NET\b|\bNode\b|\bGo\s?(?:언어|lang)|"
           r"(?<![A-Za-z])C ?언어|\b(?:Swift|Java|Go|Rust|Ruby|Scala)(?=에서|로|의|:)|자바로|자바에서", _EXACT),
    _shape("coding", 2.0, "asks to fix or explain software", r"\b(?:fix|debug|optimi[sz]e|review|simplify|port|convert|run|deploy|install|set ?up|configure|mock|unit[- ]test)\b[^.?!\n]{0,40}"
           r"\b(?:code|script|query|function|method|class|component|test|app|server|build|page|pull request|pr|diff|loop|endpoint|hooks?|project|package|container|if/else)\b"),
    _shape("coding", 2.0, "asks for code", r"짜\s?(?:줘|주세요|줄래|봐)|(?:구현|파싱|리팩터|디버깅|컴파일|배포)(?:해|하|을|를)|(?:에러|오류|경고)(?:가|이|를)?\s?(?:나|떠|뜨|발생|해결|메시지)|"
           r"예시? ?코드|코드로|(?:안|않) ?(?:먹|켜|열)[힐리져]|무한 ?(?:루프|로딩)"),
    # mathematics and thought
    _shape("reasoning", 3.0, "formula", r"\\(?:frac|sqrt|sum|int|left|right|cdot|times|le|ge|leq|geq|angle|triangle|mathrm|begin|\(|\[)|\$[^$\n]{1,60}[\\^=_+][^$\n]{0,60}\$"),
    _shape("reasoning", 2.5, "equation", r"(?<![\w.])\d{0,6}\s?[a-zA-Z](?:\^\d|²|³)?\s?[-+*/]\s?\d{0,6}[a-zA-Z]?[^=\n\w]{0,12}=\s?-?\d|\b[fgy]\(?x?\)? ?= ?-?\d*[x(]|\bx\^\d|"
           r"\d\s?[-+*/×÷]\s?-?\d+(?:\s?[-+*/×÷]\s?-?\d+)*\s?=|(?<!\w)[a-z] ?[+*] ?[a-z] ?= ?\d|∫|√|≥|≤|\d!|\bsolve for\b"),
    _shape("reasoning", 3.0, "truth values", r"\b(?:True|False|not)\b(?:\s+\(?\s*(?:and|or|not)\b|\s+\))[^.\n]{0,80}\b(?:True|False)\b[^.:\n]{0,40}(?:\bis\b\s*$|=)"),
    _shape("reasoning", 2.5, "asks for a number", r"\bhow (?:many|much|long|far|old|fast|tall)\b(?=[^?]{0,200}\?)|what is the (?:total|sum|probability|value|length|area|average|"
           r"product|difference|remainder|maximum|minimum|largest|smallest|number)|몇\s?[가-힣%]{0,4}(?:입니까|인가|일까|이[야나니]|있|남|살|명|개|번|마리|시간|달러|원|분|일|퍼센트|권|장|km|미터|마일|킬로)|"
           r"얼마(?:입니까|인가|일까|야|나|를|에|인지|예요|죠|니)|구하(?:시오|여라|라|세요|십시오)|(?:값|합|수|확률|각도|거리|넓이|개수|경우)(?:은|는|을|를)\s?(?:\?|구|얼마)"),
    _shape("reasoning", 1.5, "choices", r"^\s{0,4}\(?[A-D][).:]\s|^\s?Options:|^\s?- (?:Yes|No|valid|invalid)\b|다음 중|보기 중|[①②③]", _EXACT),
    _shape("reasoning", 2.5, "weighs options", r"\b(?:which|what) (?:of|one|is|would be|option|are)\b[^?]{0,60}\b(?:better|best|cheaper|likely|stronger|faster|larger|true|correct|valid)\b|"
           r"\bshould (?:i|we|they)\b|\bis it (?:better|cheaper|worth|rational|ethical|possible)\b|\bwhat (?:would happen )?if\b|"
           r"\bpros and cons\b|\btrade-?offs?\b|\bstep[- ]by[- ]step\b|어느 (?:쪽|것|게)|(?:뭐|어떤 ?게|어떤 것|무엇)[가이]? ?(?:더 )?(?:나을|나아|나은|이득|유리|좋을까)|"
           r"단계(?:별|적)|따져|가능한가|할 수 있(?:나|을까|는가|습니까)|어떻게 (?:될|달라|변할|바뀔)"),
    _shape("reasoning", 2.0, "asks for causes", r"^\s?(?:but |and |so )?why (?:do|does|did|is|are|was|were|can|might|would|has|have|don)|\bexplain (?:why|how it is)|\bwhat (?:caused|causes|led)\b|"
           r"\bthe (?:most likely )?causes? of\b|\bhow (?:is it possible|come)\b|(?:이유|원인|까닭)(?:는|은|이|가|를|을|과|와|에|\b)|왜 [^\n]{1,60}(?:까|요|나|지|어|아|가|니|야|는지|은지|한지|는가)\?"),
    _shape("reasoning", 2.0, "premises", r"\b(?:all|some|no) \w+ are \w+|\bif (?:all|every|today|it|the|two|three|a|x|n)\b[^.?\n]{1,120}[,?]|\b(?:follows?|valid|sound) (?:logically|from|argument)|"
           r"\b(?:twice|half|three times) as\b|(?:모든|어떤) [가-힣]{1,8}(?:은|는|도) |(?:라고|다고) 하자|(?:라면|다면|이면|으면)[, ][^\n]{0,80}(?:\?|까|나|가|시오|일까)|서로 다른"),
    # text to be made or changed
    _shape("general", 5.0, "translation", r"\btranslat(?:e|ion)\b[^.\n]{0,80}\b(?:to|into|in|from) (?:\w+ ){0,2}" + _LANGUAGES + r"|\btranslat(?:e|ing) it\b|\btranslate (?:this|the following) (?:sentence|text|paragraph|email|article)|"
           r"(?:영어|한국어|일본어|중국어|한글|영문|국문|프랑스어|독일어|스페인어)로[^\n]{0,20}(?:번역|옮겨|바꿔|바꾸)|번역(?:만|좀)? ?(?:해|부탁)|[가-힣]+어로 (?:뭐|어떻게)"),
    _shape("general", 5.0, "summary", r"\bsummari[sz]e\b|\bone[- ]sentence summar|\b(?:a|the|brief|short|give) summary\b|\btl;?dr\b|요약(?:을|만|좀|본)? ?(?:해|하|부탁|으로|글)|(?:세|두|한|[1-9]) ?(?:문장|줄)(?:으로|로)? ?(?:요약|정리)"),
    _shape("general", 5.0, "asks for a text", _MAKE_TEXT + r"(?: [\w',&-]+){0,6}? " + _TEXTS + r"\b"),
    _shape("general", 4.0, "asks for a text", r"(?:글|편지|시|문구|메일|이메일|소설|가사|대본|제목|이름|인사말|축사|소개서|공고문|후기|카드|답글|답장|안내문|사과문|기사|문장|에세이|리뷰|공지|이야기|동화|초대장|"
           r"보도자료|멘트|캐치프레이즈|카피|연설문|일기|스토리|계획|일정|식단|지도안|메뉴|매뉴얼|네임|소감|독후감|코스|루틴)(?:을|를|도|로|은|으로|만)?(?: [^\n.?!]{0,16})? ?(?:써|쓰|작성|지어|다듬|만들|뽑|추천|세워|고쳐|짜|적어|제안|쓸)"),
    _shape("general", 3.0, "asks to be changed in tone", r"\b(?:rewrite|rephrase|paraphrase|proofread|polish|edit)\b[^.\n]{0,60}\b(?:text|paragraph|sentence|email|letter|essay|tone|article)|"
           r"\b(?:friendlier|warmer|formal|polite|shorter|funnier) ?(?:tone|version)?\b|(?:부드러운|정중한|공손한|친근한|격식) ?[가-힣]{0,4}(?:로|으로|게)|맞춤법|다듬어"),
    _shape("general", 3.0, "role to play", r"\b(?:pretend|act as|role-?play|imagine (?:you|that you)|you are (?:a|an|the)\b(?! given)|as an? [\w-]+(?: [\w-]+){0,2}, )|(?:너는|넌|당신은)[^\n.]{0,40}(?:야|이다|입니다|역할|전문가)|"
           r"역할을? ?(?:맡|해)|인 ?척"),
    _shape("general", 2.5, "recommendation", r"\b(?:recommend|suggest)\b|\bideas? for\b|\bplan (?:a|my|an|our)\b|\bmake a (?:\w+ )?list\b|추천|(?:갈 만한|볼 만한|할 만한|먹을 만한)|아이디어|뭐 (?:먹|입|할|보)"),
    _shape("general", 2.0, "asks for a fact", r"^\s?(?:who|when|where)\b(?: (?:is|are|was|were|did|does|do|wrote|painted|invented|can|won)\b)|\bwhat (?:is|are|was) (?:the (?:capital|meaning|country|name|history)|some)|"
           r"^\s?(?:tell me about|describe|name|list|define)\b|(?:무슨|단어) ?뜻|언제 ?(?:태어|생|시작)|(?:수도|순서|역사|유래|뜻)(?:는|은|가|이|를|을)? ?(?:어디|뭐|알려|무엇|설명)"),
)  # fmt: skip
"""Everything that is looked for, in the order of the reasons given."""

FALSE_FRIENDS: tuple[str, ...] = (
    r"\b(?:promo(?:tion(?:al)?)?|zip|postal?|dress|area|country|dialing|discount|coupon|voucher|gift|referral|building|penal|criminal|civil|tax|morse|"
    r"bar|qr|colou?r|da vinci|access|door|gate|lock|secret|honou?r|moral|genetic|cheat|enigma|hs|swift) codes?\b",
    r"\bcode (?:of (?:conduct|ethics|hammurabi|honou?r)|names?|red|blue|geass|words? for)\b|\bcodes? to the (?:safe|door|lock|vault)\b",
    r"\b(?:bed|stink|june|lady|lightning|love|travel|flu|stomach|water|assassin|squash|kissing) ?bugs?\b|\bbugs? (?:bites?|bunny|spray|zapper|repellent|bounty|eyed|out bag|report)\b",
    r"\b(?:wedding|social|family|charity|formal|school|church|kidney|liver|heart|lung|brain|thyroid|immune|executive|cognitive|bodily|body|"
    r"bowel|sexual|job|muscle|cell) functions?\b|\bfunction (?:rooms?|halls?)\b",
    r"\blogic (?:pro|board)\b|\b(?:called|titled|named|word) [\"'“‘]?why\b|\bthat'?s why\b|\btell me why it\b",
    r"\b(?:taylor swift|monty python|the linux of|java (?:island|sea|coffee)|ball python|coffee script for)\b",
    r"(?:쿠폰|할인|프로모션|추천인|초대|국가|지역|우편|드레스|다빈치|기타|피아노|우쿨렐레|전원|기프트|바|qr|인증|입장|예약|의상|유전) ?코드\w{0,3}",
    r"코드 ?(?:네임|명|진행|잡는|잡기|프리|블루|제로)\w{0,3}|(?:쉬운|같은|기본|[A-G]m?7?) 코드(?:로|만)? (?:칠|치|연주|잡)",
    r"[\"'“‘]왜[\"'”’]|왜냐하?면?|(?:러브|베드|무당)버그\w{0,2}|(?:신체|뇌|간|면역) 기능",
)
"""Phrases in which a keyword means something else. They are taken out of the text before it is judged."""
