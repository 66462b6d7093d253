import json
import time
from pathlib import Path

import pytest

from innkeepd.chat.router import read_classifier
from innkeepd.config.schema import CODING, REASONING
from innkeepd.policy.routing.router import ROLES, Router

DATA = Path(__file__).parents[3] / "data" / "routing"
ROUTER = Router({"coding": CODING, "reasoning": REASONING})


def rows(name):
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def macro_f1(labelled, router=ROUTER):
    told = [(row["role"], router.route(row["text"]).role) for row in labelled]
    total = 0.0
    for role in ROLES:
        right = sum(want == got == role for want, got in told)
        wrong = sum((want == role) != (got == role) for want, got in told)
        total += 2 * right / (2 * right + wrong)
    return total / len(ROLES)


@pytest.mark.parametrize(
    ("name", "language", "floor"),
    [
        ("dev.jsonl", "en", 0.94),
        ("dev.jsonl", "ko", 0.96),
        ("tricky.dev.jsonl", "en", 0.9),
        ("tricky.dev.jsonl", "ko", 0.9),
        ("fresh.jsonl", "en", 0.85),
        ("fresh.jsonl", "ko", 0.85),
    ],
)
def test_the_router_stays_above_its_floor_on_labelled_prompts(name, language, floor):
    assert macro_f1([row for row in rows(name) if row["lang"] == language]) >= floor


def test_no_single_source_is_read_badly():
    by_source = {}
    for row in rows("dev.jsonl"):
        by_source.setdefault(row["source"], []).append(ROUTER.route(row["text"]).role == row["role"])
    worst = min(by_source, key=lambda source: sum(by_source[source]) / len(by_source[source]))
    assert sum(by_source[worst]) / len(by_source[worst]) >= 0.85, worst


@pytest.mark.parametrize("word", CODING)
def test_each_seed_keyword_sends_to_coding(word):
    route = ROUTER.route(f"{word}")
    assert route.role == "coding"
    assert route.reason.startswith(f"{word} (keyword)")


@pytest.mark.parametrize("word", REASONING)
def test_each_seed_keyword_sends_to_reasoning(word):
    assert ROUTER.route(word).role == "reasoning"


@pytest.mark.parametrize(
    "text",
    [
        "decode the message of this novel",
        "역사 왜곡 논란 알려줘",
        "비교적 조용한 카페",
        "a promo code for pizza",
        "my zip code",
        "dress code",
        "The Da Vinci Code",
        "a bug bite on my arm",
        "bedbugs?",
        "기타 코드 알려줘",
        "코드네임 지어줘",
        "wedding function",
        "버거킹 가자",
    ],
)
def test_false_friends_of_the_keywords_are_general(text):
    assert ROUTER.route(text).role == "general"


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("이 함수를 미분해줘", "reasoning"),
        ("이 함수 리팩토링 좀", "coding"),
        ("Translate this to Korean:\n```python\nprint('hello')\n```", "general"),
        ("```\nx = 1\n```", "coding"),
        ("Why does my Flask app return 500 only in production?", "coding"),
        ("왜 하늘은 파래?", "reasoning"),
        ("고마워!", "general"),
        ("", "general"),
        ("   \n", "general"),
        ("🙂", "general"),
    ],
)
def test_the_hardest_part_of_what_is_wanted_decides(text, role):
    assert ROUTER.route(text).role == role


def test_the_reason_names_the_evidence():
    route = ROUTER.route("이 코드 좀 봐줘\n```\nx\n```")
    assert route.reason == "code fence, 코드 (keyword)"
    assert "\n" not in route.reason
    assert ROUTER.route("음").reason == "no sign of a coding or reasoning question"


def test_confidence_grows_with_the_evidence_and_stays_a_share():
    weak, strong = (
        ROUTER.route("음").confidence,
        ROUTER.route("fix this python function:\n```\ndef f(): pass\n```").confidence,
    )
    assert 0 < weak < 0.7 < strong <= 1
    assert set(ROUTER.route("음").scores) == set(ROLES)


def test_a_system_prompt_and_earlier_turns_count_less_than_the_last_turn():
    assert ROUTER.route(["Write a python function", "Now translate it into French"]).role == "general"
    assert ROUTER.route(["Prove that 2 is prime"]).role == "reasoning"
    assert ROUTER.route([]).role == "general"


def test_a_last_turn_that_tells_nothing_is_judged_by_the_turns_before_it():
    route = ROUTER.route(
        ["Write a python function that parses a CSV file", "hm, and now please once more, a bit nicer than it was"]
    )
    assert (route.role, route.reason) == ("coding", "earlier turns")


@pytest.mark.parametrize("text", ["계속", "응 고쳐줘", "yes please", "continue"])
def test_a_short_turn_without_evidence_keeps_the_sessions_role(text):
    route = ROUTER.route(text, previous="coding")
    assert (route.role, route.confidence) == ("coding", 0.5)
    assert route.reason == "too short to tell; stays coding"


def test_a_turn_that_tells_leaves_the_sessions_role():
    assert ROUTER.route("다음을 영어로 번역해줘: 안녕", previous="coding").role == "general"
    assert ROUTER.route("one two " * 20, previous="coding").role == "general"
    assert ROUTER.route("계속", previous="nonsense").role == "general"


def test_stickiness_can_be_switched_off():
    assert Router({}, sticky=False).route("계속", previous="coding").role == "general"


def test_configured_keywords_replace_the_seeds():
    router = Router({"coding": ["Zaubertrank", "c++17", "마법봉", "two words", ""], "reasoning": []})
    assert router.route("a hot zaubertrank").reason.startswith("zaubertrank (keyword)")
    assert router.route("마법봉을 줘").role == "coding"
    assert router.route("is c++17 ok").reason.startswith("c++17 (keyword)")
    assert router.route("in two words").role == "coding"
    assert router.route("the promo was why").role == "general"
    assert repr(router) == "Router(4 keywords)"


def test_a_phrase_can_be_ignored():
    assert ROUTER.route("the bug fables game").role == "coding"
    assert Router({"coding": ["bug"]}, ignore=["Bug Fables", " "]).route("the bug fables game").role == "general"


def test_only_the_head_and_the_tail_of_a_long_turn_are_read():
    noise = "lorem ipsum " * 9000
    assert ROUTER.route(noise + "\nwrite a python function").role == "coding"
    assert ROUTER.route("summarise this\n" + noise).role == "general"
    assert ROUTER.route(noise + "write a python function" + noise).role == "general"


@pytest.mark.parametrize(
    "piece",
    ["1", "1+", "a(a, ", "why ", "write the ", "select ", "(", "\n- ", "모든 가는 ", "how many 1 ", "aB_", "글 "],
)
def test_no_text_takes_long(piece):
    text = (piece * 100_000)[:100_000]
    started = time.process_time()
    ROUTER.route(text)
    assert time.process_time() - started < 0.5


# --- with the trained classifier ------------------------------------------------------------------------------------
LEARNED = Router({"coding": CODING, "reasoning": REASONING}, classifier=read_classifier())


@pytest.mark.parametrize(("language", "floor"), [("en", 0.93), ("ko", 0.93)])
def test_prompts_that_nothing_was_trained_on_are_routed_well(language, floor):
    fresh = [row for row in rows("fresh.jsonl") if row["lang"] == language]
    assert macro_f1(fresh, LEARNED) >= floor


@pytest.mark.parametrize(
    ("word", "role"), [(word, "coding") for word in CODING] + [(word, "reasoning") for word in REASONING]
)
def test_each_seed_keyword_alone_still_decides(word, role):
    assert LEARNED.route(word).role == role


def test_a_keyword_of_the_users_decides_and_is_named():
    router = Router({"coding": ["plotter"], "reasoning": ["제안서"]}, classifier=read_classifier())
    route = router.route("Write a poem about my plotter")
    assert (route.role, route.reason.split(",")[0]) == ("coding", "plotter (keyword)")
    assert router.route("이 제안서를 세 줄로 요약해줘").role == "reasoning"


@pytest.mark.parametrize("text", ["왜?", "why?", "계속", "응 고쳐줘", "다른 방법은?", "더 짧게"])
def test_a_short_question_after_code_stays_with_the_coder(text):
    turns = ["파이썬으로 CSV를 읽는 함수 짜줘", text]
    assert LEARNED.route(turns, previous="coding").role == "coding"


@pytest.mark.parametrize("text", ["이제 이걸 영어로 번역해줘: 안녕하세요", "고마워! 저녁 메뉴 추천해줘"])
def test_a_turn_that_clearly_asks_for_another_role_gets_it(text):
    assert LEARNED.route(["파이썬으로 CSV를 읽는 함수 짜줘", text], previous="coding").role == "general"


def test_a_reminder_with_a_date_does_not_drown_the_users_words():
    reminder = "<system-reminder>\nToday's date is 2026-11-24. Compare, analyze: why?\n</system-reminder>"
    text = f"{reminder}\n\nSay hello in one word"
    assert LEARNED.route(text).role == "general"
    assert ROUTER.route("Today's date is 2026-11-24.").role == "general"


def test_the_tool_that_an_agent_called_says_more_than_its_words():
    route = LEARNED.route("Say what you find there.", tools=("get_weather", "Bash"))
    assert (route.role, route.reason) == ("coding", "calls Bash")
    assert LEARNED.route("Say what you find there.", tools=("get_weather",)).role == "general"


def test_an_errand_of_a_client_is_general_and_says_so():
    route = LEARNED.route('### Task:\nGenerate 1-3 broad tags. JSON format: { "tags": ["tag1"] }')
    assert (route.role, route.is_errand) == ("general", True)


def test_a_text_without_evidence_is_explained_by_what_it_reads_like():
    assert LEARNED.route("우리 할머니 댁 마당에는 감나무가 있었지").reason == "reads like general prompts"
    assert LEARNED.route(" \n").role == "general"


def test_the_classifier_hears_earlier_turns():
    alone = LEARNED.route("and the other one").scores
    after = LEARNED.route(["Write a Python function that parses CSV", "and the other one"]).scores
    assert after["coding"] - after["general"] > alone["coding"] - alone["general"]


@pytest.mark.parametrize("piece", ["1, ", "a.b-c/d", "x한 y ", "<context>", "=한=", "1" * 12, "\u1112\u1161"])
def test_no_text_takes_longer_than_a_turn_of_the_loop_may(piece):
    text = (piece * 100_000)[:100_000]
    LEARNED.route([text, text, text])
    best = 1.0
    for _ in range(5):
        started = time.process_time()
        LEARNED.route([text, text, text])
        best = min(best, time.process_time() - started)
    assert best < 0.02  # 5 ms on a quiet machine


def test_conversations_go_where_their_last_turn_wants():
    for row in rows("conversations.jsonl"):
        route = LEARNED.route(row["turns"], previous=row.get("previous"), tools=row.get("tools", ()))
        assert (row["turns"][-1], row["role"]) == (row["turns"][-1], route.role)


def test_conversations_written_later_mostly_go_where_their_last_turn_wants():
    routes = [
        (row["role"], LEARNED.route(row["turns"], previous=row.get("previous"), tools=row.get("tools", ())).role)
        for row in rows("conversations2.jsonl")
    ]
    assert sum(want == got for want, got in routes) >= 0.95 * len(routes)


def test_a_short_follow_up_keeps_the_sessions_role_and_a_short_new_request_need_not():
    turns = ["Plan a weekend in Lisbon", "what about the coast and its beaches"]
    assert LEARNED.route(turns, previous="general").scores["general"] > LEARNED.route(turns).scores["general"] + 5
    assert LEARNED.route("fix the bug in my parser, please", previous="general").role == "coding"


def test_the_words_that_decided_can_be_asked_for():
    assert "python" in LEARNED.explain("<context>x</context>Write a Python function", "coding")
    assert ROUTER.explain("Write a haiku", "general") == []
