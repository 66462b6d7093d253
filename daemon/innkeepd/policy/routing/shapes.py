# ruff: noqa: E501 (a pattern reads best in one line)
"""What a prompt looks like beyond single words: code, commands, errors, mathematics, and what it asks to be made.

Every pattern is bounded, so that no text takes long. A label counts once however often its shape occurs.
"""

import re

from msgspec import Struct

from innkeepd.policy.routing.literals import LITERALS

__all__ = ["FALSE_FRIENDS", "SHAPES", "Part", "Shape", "is_word_problem", "part_of"]


class Part(Struct, frozen=True):
    """One alternative of a shape and the strings of which at least one is in every text that it matches; () if none."""

    pattern: re.Pattern[str]
    literals: tuple[str, ...]

    def is_in(self, text: str) -> bool:
        """Whether the pattern occurs in ``text``."""
        return self.may_be_in(text) and self.pattern.search(text) is not None

    def may_be_in(self, text: str) -> bool:
        """Whether a search is worth its time."""
        for each in self.literals:  # any() with a generator takes four times as long
            if each in text:
                return True
        return not self.literals


def part_of(pattern: str) -> Part:
    """``pattern`` compiled, with its strings. Digits other than 0 to 9 are not looked for."""
    return Part(re.compile(pattern, re.MULTILINE), LITERALS.get(pattern, ()))


class Shape(Struct, frozen=True):
    """One recognisable form: the role it speaks for, its weight, the label that a reason shows.

    ``exact`` shapes see capital letters, the others text in lower case.
    """

    role: str
    weight: float
    label: str
    parts: tuple[Part, ...]
    exact: bool

    def is_in(self, text: str) -> bool:
        """Whether the form occurs in ``text``."""
        return any(part.is_in(text) for part in self.parts)


def _shape(role: str, weight: float, label: str, *texts: str, exact: bool = False) -> Shape:
    parts = tuple(part_of(part) for text in texts for part in _alternatives(text))
    return Shape(role, weight, label, parts, exact)


def _alternatives(pattern: str) -> list[str]:
    """What stands between the bars of a pattern that are in no group and no set."""
    parts, depth, is_set, at = [""], 0, False, 0
    while at < len(pattern):
        sign = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        at += len(sign)
        is_set = sign != "]" if is_set else sign == "["
        depth += 0 if is_set else (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0 and not is_set:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


_NUMBER = re.compile(
    r"\d[\d.,/]{0,20}|\b(?:two|three|four|five|six|seven|eight|nine|ten|twice|half|dozen)\b|(?:두|세|네|다섯|한) [가-힣]"
)
_QUANTITY = re.compile(
    r"how (?:many|much|long|far|old|fast|tall)|what (?:is|was|will|would|are|day)|when (?:do|does|will)|몇|얼마|총|구하|구해|며칠|"
    r"거리는|합계|계산|= ?\?|where did"
)


def is_word_problem(text: str) -> bool:
    """Whether lower-case ``text`` tells at least two numbers and asks for a quantity."""
    return _QUANTITY.search(text) is not None and len(_NUMBER.findall(text)) >= 2


_WORD = r"[\w'&.+#/-]+"
_CODE_THING = (
    r"(?:functions?|programs?|script|quer(?:y|ies)|class|method|code|regex(?:es)?|regular expressions?|commands?|"
    r"one-liner|api|endpoint|unit tests?|tests for|algorithm|dockerfile|macro|webpage|web page|website|app|component|module|"
    r"decorator|parser|scraper|crawler|bot|data structure|migration|schema|workflow|makefile|syntax|procedure|trigger|hook|"
    r"middleware|cron job|formula|yaml|json|sql|html|css|markdown)\b"
    r"(?! (?:for|of) (?:a |an |the |my |our )?(?:youtube|podcast|video|play|movie|school|speech|fitness|training|exercise))"
    r"(?! (?:committee|party|reunion|reunions|announcement|idea))"
)
_TEXT_THING = (
    r"(?:e-?mails?|letters?|poems?|haikus?|stor(?:y|ies)|essays?|blog|posts?|articles?|songs?|lyrics|speech|toasts?|"
    r"jokes?|captions?|slogans?|taglines?|bios?|reviews?|dialogues?|conversations?|messages?|invitations?|announcements?|"
    r"ads?|advertisements?|press release|paragraphs?|summary|summaries|outlines?|agenda|itinerary|recipes?|plans?|cards?|"
    r"cover letter|resume|newsletters?|tweets?|questionnaires?|surveys?|monologue|scene|lists?|descriptions?|copy|notes?|"
    r"thank[- ]you|sentences?|headlines?|titles?|names|ideas|tips|quotes?|template|obituary|eulogy|limerick|podcast|"
    r"synonyms|antonyms|questions?|profile|presentation|biography|flyer|brochure|proposal)"
)
_MAKE = r"\b(?:write|create|make|draft|compose|generate|design|develop|build|prepare|implement|give me|need|produce|craft)\b"
_MAKE_TEXT = r"\b(?:write|create|make|draft|compose|generate|design|prepare|give|produce|craft|suggest|come up with|plan|proofread)\b"
_LANGUAGE = (
    r"(?:english|french|spanish|german|korean|japanese|chinese|italian|russian|arabic|portuguese|latin|hindi|dutch)"
)
_TEXT_KO = (
    r"(?:(?<![가-힣])(?:글|시|책|카드|이름|제목|일정|식단|코스|공지|기사|후기|리뷰|대본|가사|카피|계획|일기|메뉴|소감|루틴)|편지|문구|메일|소설|인사말|축사|"
    r"소개서|공고문|답글|답장|안내문|사과문|문장|에세이|이야기|동화|초대장|보도자료|멘트|캐치프레이즈|연설문|스토리|지도안|매뉴얼|네임|독후감|"
    r"슬로건|단락|문단|체크리스트|질문|아이디어|예시문)"
)
_PLEASE_KO = (
    r"(?:(?:써|적어|지어|다듬어|만들어|뽑아|추천해|세워|고쳐|짜|작성해|제안해|정리해|바꿔|옮겨|골라|알려|꾸며) ?(?:줘|주|봐|달라|드릴|볼래|줄)|"
    r"(?:작성|쓰|만들)(?:하려|려고|하고 싶|고 싶|하시오|하세요|해라|어라|$))"
)

SHAPES: tuple[Shape, ...] = (
    # code
    _shape("coding", 3.0, "code fence", r"^\s{0,8}(?:```|~~~)"),
    _shape(
        "coding",
        3.5,
        "stack trace",
        r"traceback \(most recent",
        r"^\s{1,8}at [\w.$<>]{1,80}\([^)\n]{0,80}:\d",
        r"^\s{0,8}file \"[^\"\n]{1,200}\", line \d",
    ),
    _shape(
        "coding",
        3.0,
        "error message",
        r"[a-z](?<!\bt)(?:error|exception)\b",
        r"\berror\[e\d",
        r"\b(?:eacces|enoent|eaddrinuse|econnrefused)\b",
        r"\bexit(?:ed with)? (?:code|status)",
        r"\b(?:segmentation fault|core dumped|permission denied|command not found|no such file|unrecognized (?:option|argument))",
        r"\bundefined (?:reference|is not|variable|index)|\bcannot (?:find|read|import|resolve) (?:module|propert|name|symbol)",
        r"\bstatus=\d{3}|\b(?:http|error|status|returns?|에러|오류) (?:code )?[45]\d\d(?!\d)|crashloop|out of memory",
    ),
    _shape(
        "coding",
        3.5,
        "code",
        r"^\s{0,12}(?:def \w+\s?\(|class \w+\s?[:({]|(?:async )?function\s\w+\s?\(|#include\s?[<\"]|<\?php|#!/)",
        r"^\s{0,12}(?:(?:from [\w.]+ )?import [\w.{*]+[\w., {}*]{0,60};?$|using [\w.]+;|package \w+;?$)",
        r"^\s{0,12}(?:public|private|static) [\w<>\[\]]+ \w+|^\s{0,12}(?:const|let|var) \w+ ?=|^\s{0,12}(?:fn|func) \w+\s?[(<]",
        r"^\s{0,12}(?:for \w+ in [^\n]{1,60}:?$|(?:while|if|for) ?\([^\n]{1,60}\{$|return [\w(\[])",
    ),
    _shape(
        "coding",
        2.5,
        "code",
        r"\w\(\)|\)\s?=>|\w\);?$|;$|</?[a-z]\w{0,11}(?: [^>\n]{0,60})?>|>>> |\bself\.|\w->\w|\[\w+ for \w+ in ",
        r":=|&&|\|\||!==?|\b(?:std::|printf?\(|console\.log)",
    ),
    _shape(
        "coding",
        3.0,
        "SQL",
        r"\bselect\b[^.?!]{1,120}\bfrom\b\s[\w`\"(]|\binsert into\b|\bcreate table\b|\bgroup by\b|\b(?:left|inner) join\b",
        r"\b[a-z]\w{1,30}\([a-z]\w*(?:, [a-z]\w*){1,8}\)",
    ),
    _shape(
        "coding",
        3.0,
        "command",
        r"(?:^|[`$] ?)(?:sudo|git|npm|npx|pip3?|docker|kubectl|cargo|brew|apt(?:-get)?|curl|ssh|chmod|grep|awk|sed|tar|helm|cd|ls|"
        r"yarn|terraform|systemctl|conda):? +[\w./-]",
        r"\bgit (?:push|pull|rebase|commit|merge|checkout|stash|reset|clone|branch)|\b(?:npm|pip|brew|apt|yarn) (?:install|run|add)\b",
    ),
    _shape(
        "coding",
        2.0,
        "file name",
        r"(?<![\w@])[\w/.-]{1,60}\.(?:py|jsx?|tsx?|java|kt|rs|go|rb|php|c|cpp|h|cs|swift|sh|sql|html?|css|json|ya?ml|toml|csv|log|"
        r"ipynb|gradle|vue|xml|env|lock|jsonl|md)\b",
    ),
    _shape(
        "coding",
        2.0,
        "identifier",
        r"\b[a-z]+_[a-z]+(?:_[a-z]+)*\b|\b[a-z]{2,}[A-Z][a-z]+[A-Za-z]*\b|@[A-Z][a-z]+[A-Z]?\w+|--[a-z]{3,}",
        exact=True,
    ),
    _shape(
        "coding",
        3.5,
        "asks for code",
        _MAKE + rf"(?: (?!{_TEXT_THING}\b(?! {_CODE_THING})){_WORD}){{0,5}}? " + _CODE_THING,
        r"\bthen implement\b|\bimplement (?:it|this|a|an|the)\b|\badd (?:type hints|docstrings|tests|comments|logging)\b",
        r"(?:스크립트|쿼리|프로그램|코드|함수|클래스|앱|api|명령어|정규식|컴포넌트|매크로|페이지|봇|크롤러|버전|풀이|yaml|테스트)(?:를|을|로|으로)?"
        r"[^\n.?!]{0,16} ?(?:짜|작성해|만들어|구현해|고쳐|바꿔|보여) ?(?:줘|주|봐)",
    ),
    _shape(
        "coding",
        2.5,
        "programming language",
        r"\b(?:in|using|with|to|from|into|as|for) (?:C|Go|R|Rust|Swift|Java|Ruby|Dart|Lua|MATLAB|Bash|Node)\b(?! (?:Island|coffee))",
        r"\bC\+\+|\bC#|\.NET\b|\bNode\.?js\b|\bGo ?(?:언어|lang)|\bC ?언어|\b(?:Swift|Java|Go|Rust|Ruby|Scala|C|R)(?:에서|로|의|:)",
        exact=True,
    ),
    _shape(
        "coding",
        2.0,
        "asks about software",
        r"[=!]==|\b(?:fix|debug|optimi[sz]e|review|simplify|port|convert|run|deploy|install|set ?up|configure|mock|make|explain)\b[^.?!\n]{0,40}"
        r"\b(?:code|script|query|function|method|class|component|tests?|app|server|build|page|pull request|pr|diff|loop|endpoint|"
        r"hooks?|project|package|container|if/else|assembly)\b",
        r"\b(?:race condition|pull request|merge conflict|linked list|binary (?:search|tree)|stack overflow|type hint|unit test|"
        r"data ?structure|data ?frame|(?:time|space) complexity|dynamic programming|design pattern|object[- ]oriented|o\(n|operating system|command line|"
        r"google sheets|login page|web ?site|my app|source code|environment variable)",
        r"(?:에러|오류|경고|예외)(?:가|이|를)?\s?(?:나|떠|뜨|뜹|발생|해결|메시지)|예[시제] ?코드|코드 ?(?:리뷰|예시)|(?:pr|diff) |무한 ?(?:루프|로딩|렌더)|"
        r"(?:빌드|설치|실행|배포|컴파일|로그인|연결|접속)(?:가|이)? ?(?:안|실패|되지)|프로그래밍 ?언어|테스트 ?(?:코드|케이스)|시간 ?복잡도",
    ),
    # mathematics and thought
    _shape(
        "reasoning",
        3.0,
        "formula",
        r"\\(?:frac|sqrt|sum|int|left|right|cdot|times|le|ge|leq|geq|angle|triangle|mathrm|begin|\(|\[)",
        r"\$[^$\n]{1,60}[\\^=_+][^$\n]{0,60}\$",
    ),
    _shape(
        "reasoning",
        3.0,
        "equation",
        r"(?<![\w.])\d{0,6} ?[a-z](?:\^\d|²|³)? ?[-+*/] ?\d{0,6}[a-z]?[^=\n\w]{0,12}= ?-?\d|\b[fgy]\(?x?\)? ?= ?-?\d*[x(]|\bx\^\d",
        r"\d\)? ?[-+*×÷] ?\(?-?\d+\)? ?[-+*×÷] ?[-(]*\d|\d ?[-+*/×÷] ?-?\d+ ?=|(?<!\w)[a-z] ?[+*] ?[a-z] ?= ?\d|∫|√|≥|≤|\bsolve for\b|\b\d+x\b|\bsin ?x",
    ),
    _shape(
        "reasoning",
        3.5,
        "mathematical function",
        r"(?:삼각|이차|일차|지수|로그|합성|유리|무리|도|역) ?함수|함수[^\n]{0,20}(?:미분|적분|그래프|최댓값|최솟값|극값|극한|연속|정의역)",
        r"\b(?:derivative|integral|graph|limit|domain|range|inverse|minimum|maximum|zeros?|roots?) of (?:the |a )?function",
        r"\bfunction [fgh] ?\(|\b(?:quadratic|linear|exponential|continuous|differentiable) function",
    ),
    _shape(
        "reasoning",
        3.0,
        "truth values",
        r"\b(?:true|false|not)\b[ (]{1,3}(?:and|or|not)\b|\b(?:tells?|telling) the truth\b|\b(?:liar|knave|거짓말쟁이)",
    ),
    _shape(
        "reasoning",
        3.5,
        "percentages",
        r"\d ?%[^\n]{1,40}\d[^\n]{0,60}\?|\d ?%[^\n]{1,40}\d[^\n]{0,60}(?:구해|계산)|\d ?% \w+ (?:on|of) \$?\d",
    ),
    _shape(
        "reasoning",
        2.0,
        "asks for a number",
        r"\bwhat is the (?:total|sum|probability|value|length|area|average|product|difference|remainder|expected|maximum|minimum)",
        r"몇 ?(?:입니까|인가|일까|살|배|퍼센트|킬로)|구하(?:시오|여라|라|세요|십시오)|(?:값|확률|각도|거리|넓이|개수|가짓수)(?:은|는|을|를) ?(?:\?|구|얼마)",
        r"\bhow many (?:ways|times|different)\b|-?\d{1,9}(?:, ?-?\d{1,9}){3,12}[^\n]{0,12}(?:\?|\.\.\.)",
        r"\d(?:, ?-?\d{1,9}){3,12}[^\n]{0,12}다음",
    ),
    _shape(
        "reasoning",
        1.5,
        "choices",
        r"^\s{0,4}\(?[a-d][).:] |^options:|^- (?:yes|no|valid|invalid)\b|다음 중|보기 중|[①②③]",
    ),
    _shape(
        "reasoning",
        2.5,
        "weighs options",
        r"\bwhich\b[^?\n]{0,60}\b(?:better|cheaper|likely|stronger|faster|larger|correct|valid|heavier|older|tallest|best strategy)\b",
        r"\bshould (?:we|they|i (?:buy|take|choose|invest|quit|accept|sell|rent))\b|\b(?:for and against|how is (?:that|this|it) possible|what could explain)\b|\bis it (?:better|cheaper|worth|rational|ethical|possible)\b|\bwhat (?:would happen|if)\b",
        r"\bpros and cons\b|\btrade-?offs?\b|\bstep[- ]by[- ]step\b(?! guide)|\bmost likely cause\b|\bthe flaw in\b",
        r"어느 (?:쪽|것|게)|(?:뭐|어떤 ?게|어떤 것|무엇)[가이]? ?(?:더 )?(?:나을|나아|나은|맞을|이득|유리|문제일)|단계(?:별|적)|따져|장단점|게 (?:더 )?(?:나을까|좋을까|나은지)|양쪽|찬반",
        r"(?:고려|종합)(?:하여|해서|했을) [^\n]{0,30}(?:판단|결정|선택)",
    ),
    _shape(
        "reasoning",
        1.5,
        "asks for causes",
        r"^\s?(?:but |and |so )?why (?:do|does|did|is|are|was|were|can|might|would|has|have|don)|\bexplain why\b|\bwhat (?:caused|causes|led)",
        r"\bcauses? (?:of|that)\b|\bhow (?:is it possible|come)\b|(?:이유|원인|까닭)(?:는|은|이|가|를|을|과|와|에|$)",
    ),
    _shape(
        "reasoning",
        2.5,
        "premises",
        r"\b(?:all|some|no) \w+ are \w+|\b(?:follows logically|logically (?:follows|valid|sound|consistent)|valid argument)",
        r"\bif (?:all|every|today|it|the|two|three|a|x|n)\b[^.?\n]{1,120}[,?]|\b(?:twice|half) as (?:old|many|much|big|long|far|fast)",
        r"(?:모든|어떤) [가-힣]{1,8}(?:은|는|도) |(?:라고|다고) 하자|서로 다른|[가-힣]면 [^.\n]{1,30}다\. |[a-z]는 [a-z]보다|오히려 [^\n]{1,20}(?:했|었|났)",
        r"(?:라면|다면|었으면|없으면)[, ][^\n]{0,60}(?:\?|까|시오)|할 수 있(?:나|을까|는가|습니까)|어떻게 (?:될까|달라|변할|변하는|바뀔)|진실을 말|거짓말(?:을 )?한|\bprove that\b",
    ),
    # text to be made or changed
    _shape(
        "general",
        5.0,
        "translation",
        r"\btranslat(?:e|ion|ing)\b[^.\n]{0,80}\b(?:to|into|in|from) (?:\w+ ){0,2}" + _LANGUAGE,
        r"\btranslat(?:e|ing) (?:it|this|the following)(?: (?:sentence|text|paragraph|email|article))?(?: (?:to|into) |$|[.:])",
        r"(?:영어|한국어|일본어|중국어|한글|영문|국문|프랑스어|독일어|스페인어)로[^\n]{0,20}(?:번역|옮겨|바꿔|바꾸)|번역(?:만|좀)? ?(?:해|부탁)",
    ),
    _shape(
        "general",
        5.0,
        "summary",
        r"\bsummari[sz]e\b|\bone[- ]sentence summar|\b(?:a|brief|short) summary\b|\btl;?dr\b",
        r"요약(?:을|만|좀|본)? ?(?:해|하|부탁|으로|글)|(?:세|두|한|[1-9]) ?(?:문장|줄)(?:으로|로) ?(?:요약|정리)",
    ),
    _shape(
        "general",
        5.0,
        "asks for a text",
        _MAKE_TEXT + rf"(?: (?!{_CODE_THING}){_WORD},?){{0,6}}? {_TEXT_THING}\b(?! {_CODE_THING})",
    ),
    _shape(
        "general",
        4.0,
        "asks for a text in Korean",
        rf"{_TEXT_KO}(?:을|를|도|로|은|으로|만)?(?: [^\n.?!]{{0,16}})? ?{_PLEASE_KO}",
    ),
    _shape(
        "general",
        3.0,
        "another tone",
        r"\b(?:rewrite|rephrase|paraphrase|proofread|polish|edit)\b[^.\n]{0,60}\b(?:text|paragraph|sentence|email|letter|essay|tone|article)",
        r"\b(?:friendlier|warmer|shorter|funnier)\b|(?:부드러운|정중한|공손한|친근한|격식) ?[가-힣]{0,4}(?:로|으로|게)|맞춤법|다듬어",
    ),
    _shape(
        "general",
        3.0,
        "a part to play",
        r"\b(?:pretend|act as|role-?play|imagine (?:you|that you)|you are (?:a|an)\b(?! given))|^as an? [\w-]+(?: [\w-]+){0,2}, ",
        r"(?:너는|넌|당신은)[^\n.]{0,40}(?:야|이다|입니다|역할|전문가)|역할을? ?(?:맡|해)|인 ?척|\bif you were an? ",
    ),
    _shape(
        "general",
        2.5,
        "recommendation",
        r"\b(?:recommend|suggest)\b|\bideas? for\b|\bplan (?:a|my|an|our)\b|\bgive me (?:some|a few|\w+) (?:ideas|tips)|\btips\b",
        r"추천|(?:갈|볼|할|먹을) 만한|아이디어|뭐 (?:먹|입|할|보)",
    ),
    _shape(
        "general",
        2.0,
        "asks for a fact",
        r"^\s?(?:who|when|where) (?:is|are|was|were|did|do|wrote|painted|invented|won)\b|\bwhat (?:is|are|was) (?:the (?:capital|meaning|history)|some)",
        r"^\s?(?:tell me about|describe|name|list|define)\b|(?:무슨|단어) ?뜻|언제 ?(?:태어|생|시작)|(?:수도|순서|역사|유래|뜻)(?:는|은|가|이|를|을)? ?(?:어디|뭐|알려|무엇|설명)",
    ),
)
"""Everything that is looked for. All but the exact ones see the text in lower case."""

FALSE_FRIENDS: tuple[str, ...] = (
    r"\b\d{4}-\d{1,2}-\d{1,2}\b",  # a date is no subtraction
    r"\bscripts? (?:for|of) (?:a |an |the |my )?(?:youtube|podcast|video|play|movie|film|speech|episode)|\b(?:movie|film|podcast|video|tv) scripts?\b",
    (
        r"\b(?:promo(?:tion(?:al)?)?|zip|postal?|dress|area|country|dialing|discount|coupon|voucher|gift|referral|building|penal|"
        r"criminal|civil|tax|morse|bar|qr|colou?r|da vinci|access|door|gate|lock|secret|honou?r|moral|genetic|cheat|enigma) codes?\b"
    ),
    r"\bcodes? (?:of (?:conduct|ethics|hammurabi|honou?r)|names?|red|blue|geass|words? for|to the (?:safe|door|lock|vault))\b",
    r"\b(?:bed|stink|june|lady|lightning|love|travel|flu|stomach|water|assassin|squash) ?bugs?\b",
    r"\bbugs? (?:bites?|bunny|spray|zapper|repellent|eyed|out bag|report)\b|\bpython (?:snake|bite)|\bmonty python\b",
    (
        r"\b(?:wedding|social|family|charity|formal|school|church|kidney|liver|heart|lung|brain|thyroid|immune|executive|cognitive|"
        r"bodily|body|bowel|sexual|job|muscle|cell) functions?\b|\bfunction (?:rooms?|halls?)\b"
    ),
    r"\blogic (?:pro|board)\b|\b(?:called|titled|named|word) [\"'“‘]?why\b|\bthat'?s why\b|\bball python\b|\btaylor swift\b",
    r"(?:쿠폰|할인|프로모션|추천인|초대|국가|지역|우편|드레스|다빈치|기타|피아노|우쿨렐레|전원|기프트|바|qr|인증|입장|예약|의상|유전) ?코드\w{0,3}",
    r"코드 ?(?:네임|명|진행|잡는|잡기|프리|블루|제로)\w{0,3}|(?:쉬운|기본|[a-g]m?7?) 코드(?:로|만)? (?:칠|치|연주|잡)",
    r"[\"'“‘]왜[\"'”’]|왜냐하?면?|(?:러브|베드|무당)버그\w{0,2}|테일러 ?스위프트",
)
"""Phrases in which a keyword means something else. They are taken out of the text before it is judged."""
