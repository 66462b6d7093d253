# ruff: noqa: E501 (Korean is twice as wide as it is long)
"""The words that the router knows besides the configured keywords: stem -> role and weight.

Weights are by hand, in steps that a person can argue about: 2.5 settles a prompt alone, 1.5 needs little help, 1 needs another
word, 0.5 only tips a balance. They were chosen for what a word means, not fitted to prompts; the development set showed where
one was missing. English words are stems, Korean ones take particles; ``stems`` finds both.
"""

from collections.abc import Mapping

__all__ = ["WORDS", "attached", "stems"]

_CODING = {
    2.5: """python javascript typescript kotlin golang perl haskell cpp csharp dotnet bash zsh powershell sql mysql postgres
        postgresql sqlite mongodb redis nosql graphql html css scss json yaml toml regex regexp dockerfile docker kubernetes
        kubectl k8s terraform ansible nginx github gitlab npm webpack vite nodejs django flask fastapi laravel numpy pandas
        pytorch tensorflow matplotlib pytest jest eslint leetcode stacktrace traceback segfault localhost jvm jpa orm
        websocket oauth jwt cors ssh systemd cron crontab sudo linux ubuntu vscode jupyter gradle maven
        websockets grpc protobuf kafka rabbitmq elasticsearch dynamodb firebase supabase prisma hibernate sqlalchemy
        mariadb sqlserver plsql linq nextjs nuxt redux jquery tailwind flexbox webassembly wasm
        llvm gcc clang cmake makefile valgrind gdb strace tcpdump wireshark iptables systemctl journalctl awk grep
        oomkilled kubelet prometheus grafana ec2 gcp devops monorepo polyfill
        unicode utf8 base64 ascii endian bitwise hashtable semaphore sklearn tokenizer
        phpmyadmin wordpress htaccess tomcat servlet junit mockito arduino esp32 verilog vhdl
        xpath beautifulsoup puppeteer scrapy ffmpeg imagemagick tmux bashrc zshrc dotfiles
        s3 mkdir chmod chown rsync netstat lsof xargs symlink makefile heapsort mergesort mysqldump ffprobe dict dicts tuple
        nullable stackoverflow leetcode codeforces hackerrank
        dataframe hashmap goroutine coroutine docstring quicksort coding programming subprocess stdin stdout stderr xcode jenkins pyspark
        파이썬 자바스크립트 타입스크립트 코틀린 리액트 장고 플라스크 도커 쿠버네티스 깃허브 깃 정규식 정규표현식 소스코드 코딩
        프로그래밍 백엔드 프론트엔드 데이터베이스 리눅스 우분투 셸스크립트 쉘스크립트 컴파일 디버깅 디버그 크롤링 크롤러 스크래핑
        젠킨스 테라폼 레디스 깃랩 몽고디비 판다스 넘파이 코루틴 네이티브앱 웹소켓 환경변수 반복문 조건문 딕셔너리 예외처리 리팩터링
        자료구조 단위테스트 유닛테스트 노드js
        모나드 클로저 스프링부트 하이버네이트 카프카 엘라스틱서치 파이어베이스 제이쿼리 텐서플로 텐서플로우 파이토치 엔진엑스 톰캣 서블릿
        데비안 센토스 유니코드 인코딩 디코딩 해시맵 해시 연결리스트 이진탐색 이진트리 동적계획법 컨테이너 쿠버네티즈 도커파일
        마이크로서비스 라즈베리파이 아두이노 임베디드 펌웨어 익스프레스 인텔리제이 깃헙 커밋 프로그래머스 백준""",
    1.8: """db java ruby php scala react vue angular svelte api backend frontend algorithm implement implementation endpoint repo
        refactoring unittest async await mutex deadlock boolean recursion recursive compiler linter debugger syntax snippet
        closure callback container namespace polymorphism encapsulation singleton decorator iterator generics lint
        heap garbage concurrency latency throughput webhook crawler scraper chatbot cli sdk proxy dns tcp udp tls ssl
        firewall subnet hostname csrf xss encryption checksum migration trigger gpu cuda driver firmware bios virtualbox
        vmware webapp fullstack viewport css3 html5 vba vlookup selenium opencv rest http https url git xml csv pip yarn vim emacs rust compile deploy deployment
        middleware serialize deserialize kernel codebase microservice multithreading parser webpage div flexbox idempotent
        자바 스프링 구현 알고리즘 쿼리 배열 문자열 클래스 메서드 메소드 엔드포인트 라이브러리 프레임워크 컴포넌트 렌더링 파싱
        스크립트 빌드 브랜치 롤백 비동기 콜백 포인터 구조체 스레드 쓰레드 동시성 디비 재귀 명령어 터미널 프록시 매크로 주석
        상속 다형성 캡슐화 싱글톤 제네릭 옵저버 미들웨어 뮤텍스 세마포어 데드락 교착 멀티스레드 리버스프록시 도메인 호스팅 쿠키 암호화
        복호화 라우팅 컨트롤러 리포지토리 레포 레포지토리 저장소 마이그레이션 뷰포트 반응형 수식 피벗 조건부서식 확장프로그램 프로세스 데몬
        커널 드라이버 생성자 인스턴스 함수형 임포트 웹페이지 자동화 파이프라인 에뮬레이터 러스트 스위프트 유니티 플러터 안드로이드 서버리스 인터페이스 모듈 객체 람다""",
    1.2: """script commit program query schema database array loop parse runtime exception server website config configuration
        plugin string variable macro spreadsheet excel pipeline thread repository merge rebase branch cache
        framework component element column cell formula nested terminal directory cookie extension pointer struct template software developer app wrapper timestamp bytes authentication
        서버 배포 에러 변수 엑셀 포트 인증 캐시 로그인 소켓 인덱스 조인 프로그램 리스트 설치 푸시 머지 패키지 시트 테이블 확장자
        다이얼로그 팝업 화면 의존성 변환해 홈페이지 웹사이트 크롬 앱 웹 폴더 버전 출력 입력받아 반환 스키마 트랜잭션 토큰 세션 라우터 방화벽""",
    0.6: """class method library package integer file folder button token input test module
        install port log linked sorted return returns field values optimize
        파일 오류 개발 실행 구조 메모리 데이터 정렬 로그""",
}
_REASONING = {
    2.5: """prove derivative integral integrate differentiate equation polynomial theorem syllogism probability irrational
        divisible divisor factorial permutation combination matrix vector calculus algebra geometry trigonometry isosceles
        coprime congruent tangent cosine sine bayes bayesian knave eigenvalue determinant sudoku riddle paradox dilemma fallacy counterfactual perimeter quadratic logarithm
        hypotenuse deduce infer modulo
        미분 적분 방정식 증명 확률 행렬 극한 수열 등차수열 등비수열 삼각형 사각형 정삼각형 고윳값 최댓값 최솟값 기댓값 부등식 다항식 인수분해 로그함수
        추론 논증 딜레마 수수께끼 역설 삼단논법 도함수 삼각함수 이차함수 일차함수 지수함수 역함수 원주율 이차방정식 소인수분해
        최대공배수 공약수 공배수 무한급수 급수 벡터 평행사변형 사다리꼴 이등변 직각삼각형 피타고라스 조합 표준편차 분산 가설검정
        반론 연역 귀납 명제 필요조건 충분조건 진리표 손익분기점 기하 미적분 복리 순열 인과관계 상관관계 시속 초속""",
    1.8: """solve calculate compute estimate derive compare evaluate analyse justify hypothesis causal causation correlation
        consequence rational logically inference reasoning deduction mph percent percentage ratio
        trade-off tradeoff pros cons optimal diagnose argue refute counterargument plausible contradiction cheaper weigh angle circumference radius triangle circle premise
        conclusion argument puzzle sequence vertices
        계산 이유 원인 까닭 따져 따져서 따져보자 따져봐 장단점 유리 이득 가설 판단 타당 모순 결론 근거 인과 원리 구하시오 구하여라
        구하라 구하세요 구해 정수 자연수 실수 소수 약수 배수 나머지 넓이 부피 각도 속력 거리 논리적 단계별 단계적 비교분석 분석적
        평가 검토 설득력 판별 거짓말 나을지 인과적 추세 의사결정 경우의 가능성 확률적 공식 반례 평면 좌표 원뿔 직선 변의 타당성 범인 추정 비율 양수 이자 금리""",
    1.2: """cause versus likely whether difference differences assume suppose therefore hence total verify
        remaining per average sum digit logical conclude evidence assess critique mathematically odd prime subset
        advantages disadvantages smallest largest
        차이 만약 가정 관점 영향 총 각각 평균 며칠 최소 최대 최적 장점 단점 문제점 한계 반박 주장 절반 비용 선택 유리한
        불리 불리한 따라서 얼마나 얼마 몇 저울 풀이 풀어""",
    0.6: """left than effect impact theory cost mile dollar speed faster price number
        달러 나이 효과 의미 전략 대안 해결책 입장""",
}
_GENERAL = {
    2.5: """translate summarize summarise proofread haiku poem lyric lyrics limerick joke slogan recipe roleplay itinerary
        horoscope bedtime caption linkedin instagram screenplay sonnet paraphrase newsletter
        번역 레시피 자기소개서 가사 농담 맞춤법 슬로건 동화 축사 초대장 인사말 보도자료 자소서 독후감 편지 끝말잇기 사투리 수필
        삼행시 건배사 롤링페이퍼 역할극 사과문""",
    1.0: """story essay blog letter toast song email speech greeting invitation birthday vacation travel movie novel
        recommend brainstorm rewrite rephrase pretend imagine synonym antonym outfit workout meal
        advertisement tagline biography resume wedding restaurant fashion gift costume playlist dinner hobby
        추천 여행 메일 이메일 문구 식단 기획안 홍보 블로그 다듬어 대본 노래 영화 드라마 말투 선물 맛집 인스타그램 인스타
        운동 다이어트 결혼식 생일 남자친구 여자친구 연애 사랑 이별 감사 인사 회의록 안내문 공지 답장 존댓말 대화 소설
        유래 소개해 소개글 취미 면접 캐릭터 파티 소개서 후기 유머 위로 축하""",
    0.6: """who describe introduce suggest idea tip advice famous favorite history capital president article paragraph
        sentence tone formal polite friendly funny creative marketing customer agenda checklist motivational quote
        headline feelings culture define benefit benefits
        알려 정리 누구 언제 어디 작성 제안 문장 단어 뜻 글쓰기 정중하게 공손 아이디어 계획 일정 목록 수도 역사 기사 주제 감정
        기분 건강 요리 여름 겨울 가을 봄 오늘 요즘 친구 회사 행사 마음 카페 강아지 고양이 음식""",
}

WORDS: Mapping[str, tuple[str, float]] = {
    word: (role, weight)
    for role, tiers in (("general", _GENERAL), ("reasoning", _REASONING), ("coding", _CODING))
    for weight, words in tiers.items()
    for word in words.split()
}
"""Stem -> (role, weight). A word in two lists counts for the later role: coding over reasoning over general."""

_ATTACHED = frozenset(
    "을를이가은는의에로와과랑도만들좀야인임입예까부처보라하해했한할함합되된돼됐될요나란던별용식중과든여으"
)
"""First syllables of what Korean hangs on a noun: particles, the copula, forms of 하다 and 되다, a few suffixes."""

_NOT_ATTACHED = frozenset(
    [
        "분석가",
        "분석가의",
        "분석가로",
        "시의",
        "시가",
        "시는",
        "시로",
        "글로",
        "글로벌",
        "배가",
        "배는",
        "합의",
        "이자카야",
        "소수의",
        "소수만",
        "책임",
        "책임감",
        "총을",
        "깃들",
        "앱솔루트",
        "웹툰",
        "이름난",
        "표현의",
        "로그인",
        "여행용",
        "코드명",
        "코드네임",
        "왜곡",
        "왜가리",
        "왜란",
        "왜군",
        "왜소",
        "왜소한",
        "왜냐하면",
        "비교적",
        "함수초",
    ]
)


def attached(token: str, stem: str) -> bool:
    """Whether Korean ``token`` is ``stem`` with at most a particle or ending: 코드를 is 코드, 코드네임 and 비교적 are not.

    왜 takes none but a few of its own, or 왜인 (a Japanese of old) and 왜가리 (a heron) would ask for reasons.
    """
    if not token.startswith(stem) or token in _NOT_ATTACHED:
        return False
    rest = token[len(stem) :]
    if stem == "왜":
        return rest in {
            "",
            "요",
            "죠",
            "지",
            "인지",
            "일까",
            "일까요",
            "이렇게",
            "그런지",
            "그래",
            "안",
            "인가요",
            "그럴까",
        }
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
