"""The words that the router knows besides the configured keywords: stem -> role and weight.

Weights are by hand, in steps that a person can argue about: 2.5 settles a prompt alone, 1.5 needs little help, 1 needs another
word, 0.5 only tips a balance. They were chosen for what a word means, not fitted to prompts; the development set showed where
one was missing. English words are stems (``inflected`` finds their forms), Korean ones take particles (``korean_stem``).
"""

from collections.abc import Mapping

__all__ = ["WORDS", "attached", "stems"]

_CODING = {
    2.5: """python javascript typescript kotlin golang perl haskell cpp csharp dotnet bash zsh powershell sql mysql postgres
        postgresql sqlite mongodb redis nosql graphql html css scss json yaml toml regex regexp dockerfile docker kubernetes
        kubectl k8s terraform ansible nginx github gitlab npm webpack vite nodejs django flask fastapi laravel numpy pandas
        pytorch tensorflow matplotlib pytest jest eslint leetcode stacktrace traceback segfault localhost jvm jpa orm
        websocket oauth jwt cors ssh systemd cron crontab sudo linux ubuntu vscode jupyter gradle maven
        dataframe hashmap goroutine coroutine coding programming subprocess stdin stdout stderr xcode jenkins pyspark
        파이썬 자바스크립트 타입스크립트 코틀린 리액트 장고 플라스크 도커 쿠버네티스 깃허브 깃 정규식 정규표현식 소스코드 코딩
        프로그래밍 백엔드 프론트엔드 데이터베이스 리눅스 우분투 셸스크립트 쉘스크립트 컴파일 디버깅 디버그 크롤링 크롤러 스크래핑
        젠킨스 테라폼 레디스 깃랩 몽고디비 판다스 넘파이 코루틴 네이티브앱 웹소켓 환경변수 반복문 조건문 딕셔너리 예외처리 리팩터링
        자료구조 단위테스트 유닛테스트 노드js 익스프레스 인텔리제이 깃헙 커밋 프로그래머스 백준""",
    1.8: """java ruby php scala react vue angular svelte api backend frontend algorithm implement implementation endpoint repo
        refactoring unittest async await mutex deadlock boolean recursion recursive compiler linter debugger syntax snippet
        vba vlookup selenium opencv rest http https url git xml csv pip yarn vim emacs rust compile deploy deployment
        middleware serialize deserialize kernel codebase microservice multithreading parser webpage middleware
        자바 스프링 구현 알고리즘 쿼리 배열 문자열 클래스 메서드 메소드 엔드포인트 라이브러리 프레임워크 컴포넌트 렌더링 파싱
        스크립트 빌드 브랜치 롤백 비동기 콜백 포인터 구조체 스레드 쓰레드 동시성 디비 재귀 명령어 터미널 프록시 매크로 주석
        웹페이지 자동화 파이프라인 에뮬레이터 러스트 스위프트 유니티 플러터 안드로이드 서버리스 인터페이스 모듈 객체 람다""",
    1.2: """script program query schema database array loop parse runtime exception server website config configuration
        plugin string variable macro spreadsheet excel pipeline thread repository commit merge rebase branch cache
        framework component element pointer struct template software developer app wrapper timestamp bytes authentication
        서버 배포 에러 변수 엑셀 포트 인증 캐시 로그인 소켓 인덱스 조인 프로그램 리스트 설치 푸시 머지 패키지 시트 테이블 확장자
        홈페이지 웹사이트 크롬 앱 웹 폴더 버전 출력 입력받아 반환 스키마 트랜잭션 토큰 세션 라우터 방화벽""",
    0.6: """class method function's library package list integer file folder button token input output test module object
        install port log linked sorted return returns field column row values optimize
        파일 오류 개발 테이블 실행 구조 메모리 데이터 출력 정렬 로그""",
}
_REASONING = {
    2.5: """prove derivative integral integrate differentiate equation polynomial theorem syllogism probability irrational
        eigenvalue determinant sudoku riddle paradox dilemma fallacy counterfactual perimeter quadratic logarithm
        hypotenuse deduce infer modulo
        미분 적분 방정식 증명 확률 행렬 극한 수열 등차수열 등비수열 삼각형 사각형 정삼각형 고윳값 최댓값 최솟값 기댓값 부등식 다항식 인수분해 로그함수
        추론 논증 딜레마 수수께끼 역설 삼단논법 도함수 삼각함수 이차함수 일차함수 지수함수 역함수 원주율 이차방정식 소인수분해
        손익분기점 기하 미적분 복리 순열 인과관계 상관관계 시속 초속""",
    1.8: """solve calculate compute estimate derive compare evaluate analyse justify hypothesis causal causation correlation
        consequence rational logically inference reasoning deduction implication mph percent percentage ratio
        trade-off tradeoff pros cons optimal diagnose cheaper weigh angle circumference radius triangle circle premise
        conclusion argument puzzle sequence vertices
        계산 이유 원인 까닭 따져 따져서 따져보자 따져봐 장단점 유리 이득 가설 판단 타당 모순 결론 근거 인과 원리 구하시오 구하여라
        구하라 구하세요 구해 정수 자연수 실수 소수 약수 배수 나머지 넓이 부피 각도 속력 거리 논리적 단계별 단계적 비교분석 분석적
        평가 검토 설득력 경우의 가능성 확률적 공식 반례 평면 좌표 원뿔 직선 변의 타당성 범인 추정 비율 양수 이자 금리""",
    1.2: """because cause reason likely whether difference differences assume suppose therefore hence explain total each every
        remaining twice half per average sum product digit cost price faster logical conclude effect impact affect
        evidence theory assess critique implications advantages disadvantages versus scenario mathematically
        차이 만약 가정 관점 영향 해결책 전략 총 각각 남은 남았 평균 합 개당 명이 원이 며칠 최소 최대 최적 어느 더 장점 단점 전망
        의미 문제점 대안 한계 설명해 효과 입장 반박 주장 타협 절반 배 비용 선택 유리한 불리 불리한 따라서 그러면 얼마나 얼마 얼마인가 얼마입니까
        얼마인가요 몇""",
    0.6: """left than more less apple apples marbles costs miles hours dollars weeks students how if days minutes speed
        세 네 개의 시간 킬로미터 달러 학생 나이""",
}
_GENERAL = {
    2.5: """translate summarize summarise proofread haiku poem lyric lyrics limerick joke slogan recipe roleplay itinerary
        horoscope bedtime caption linkedin instagram tweet screenplay sonnet paraphrase newsletter
        번역 요약 레시피 자기소개서 시나리오 가사 농담 맞춤법 슬로건 소설 동화 축사 초대장 안부 인사말 보도자료 자소서 인스타그램 인스타 유튜브
        소감문 독후감 편지 유머 끝말잇기 사투리 수필 삼행시 건배사 축하 위로 롤링페이퍼 역할극 사과문""",
    1.8: """story essay blog letter toast song email speech greeting invitation birthday vacation trip travel hotel movie novel
        recommend brainstorm rewrite rephrase pretend imagine synonym synonyms antonym antonyms outfit workout meal
        advertisement ad slogan tagline biography resume wedding restaurant fashion gift costume playlist dinner hobby
        추천 여행 메일 이메일 문구 글 시 식단 코스 기획안 홍보 제목 블로그 다듬어 대본 노래 영화 드라마 말투 이름 선물 맛집 음식
        운동 다이어트 친구 엄마 아빠 부모님 결혼식 생일 남자친구 여자친구 연애 사랑 이별 감사 인사 회의록 안내문 공지 답장 존댓말 대화
        역사적 유래 소개해 소개 소개글 강아지 고양이 카페 취미 면접 캐릭터 여관 파티 카드 소개서 후기 리뷰 책""",
    1.2: """who when where name names list describe introduce suggest ideas tips tell advice best famous favorite history
        capital country city president article paragraph sentence sentences tone formal polite friendly funny creative
        product marketing customer review agenda checklist motivational quote title health sleep
        suggestions headline post text emotion feelings character culture define
        알려 정리 누구 언제 어디 써 작성 지어 제안 문장 단어 뜻 글쓰기 부드럽게 정중하게 공손 공손하게 아이디어 계획 일정 목록 방법
        수도 나라 역사 기사 주제 감정 기분 건강 요리 여름 겨울 가을 봄 오늘 내일 요즘 회사 고객 행사 표현 마음 관련""",
}

WORDS: Mapping[str, tuple[str, float]] = {
    word: (role, weight)
    for role, tiers in (("general", _GENERAL), ("reasoning", _REASONING), ("coding", _CODING))
    for weight, words in tiers.items()
    for word in words.split()
}
"""Stem -> (role, weight). A word in two lists counts for the later role: coding over reasoning over general."""

_ATTACHED = frozenset("을를이가은는의에로와과랑도만들좀야인임입예까부처보라하해했한할함합되된돼됐될요나란던별용식중과든여으")
"""First syllables of what Korean hangs on a noun: particles, the copula, forms of 하다 and 되다, a few suffixes."""

_NOT_ATTACHED = frozenset(
    "분석가 분석가의 분석가로 시의 시가 시는 시로 글로 글로벌 배가 배는 합의 이자카야 소수의 소수만 책임 책임감 총을 깃들 앱솔루트 웹툰 "
    "이름난 표현의 로그인 여행용 코드명 코드네임 왜곡 왜가리 왜란 왜군 왜소 왜소한 왜냐하면 비교적 함수초".split()
)


def attached(token: str, stem: str) -> bool:
    """Whether Korean ``token`` is ``stem`` with at most a particle or ending: 코드를 is 코드, 코드네임 and 비교적 are not.

    왜 takes none but a few of its own, or 왜인 (a Japanese of old) and 왜가리 (a heron) would ask for reasons.
    """
    if not token.startswith(stem) or token in _NOT_ATTACHED:
        return False
    rest = token[len(stem) :]
    if stem == "왜":
        return rest in {"", "요", "죠", "지", "인지", "일까", "일까요", "이렇게", "그런지", "그래", "안", "인가요", "그럴까"}
    return not rest or (rest[0] in _ATTACHED and len(rest) <= 5)


def stems(token: str) -> tuple[str, ...]:
    """The forms under which ``token`` may be listed, likeliest first: solving, solves and solved are solve."""
    if token[0] >= "가":
        return tuple(token[:end] for end in range(len(token), 0, -1) if attached(token, token[:end]))
    forms = [token]
    for ending, instead in (("ies", "y"), ("es", ""), ("s", ""), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e")):
        if token.endswith(ending) and len(token) - len(ending) >= 3:
            base = token[: -len(ending)]
            forms.append(base + instead)
            if base[-1] == base[-2] and not instead:
                forms.append(base[:-1])  # debugging, mapped
    return tuple(forms)
