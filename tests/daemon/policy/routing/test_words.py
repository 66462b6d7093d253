import pytest

from innkeepd.policy.routing.words import WORDS, attached, stems


@pytest.mark.parametrize(
    "token", ["코드", "코드를", "코드가", "코드는", "코드에서", "코드로", "코드만", "코드입니다", "코드인데", "코드좀"]
)
def test_a_korean_word_with_its_particles_is_the_word(token):
    assert attached(token, "코드")


@pytest.mark.parametrize(
    ("token", "stem"),
    [
        ("코드네임", "코드"),
        ("코드북", "코드"),
        ("비교적", "비교"),
        ("왜곡", "왜"),
        ("왜가리", "왜"),
        ("함수초", "함수"),
        ("논산", "논리"),
        ("왜소하다", "왜"),
        ("분석가", "분석"),
        ("버거킹", "버그"),
        ("저커버그", "버그"),
        ("왜냐하면", "왜"),
    ],
)
def test_a_longer_korean_word_is_another_word(token, stem):
    assert not attached(token, stem)


@pytest.mark.parametrize("token", ["왜", "왜요", "왜죠", "왜인지", "왜일까"])
def test_why_is_asked_in_few_forms(token):
    assert attached(token, "왜")


@pytest.mark.parametrize(
    ("token", "stem"),
    [
        ("bugs", "bug"),
        ("debugging", "debug"),
        ("debugged", "debug"),
        ("analyzes", "analyze"),
        ("comparing", "compare"),
        ("queries", "query"),
        ("solved", "solve"),
        ("functions", "function"),
        ("classes", "class"),
        ("code", "code"),
    ],
)
def test_an_inflected_english_word_has_its_stem_among_its_forms(token, stem):
    assert stem in stems(token)


@pytest.mark.parametrize(
    ("token", "stem"), [("decode", "code"), ("bugle", "bug"), ("dysfunctional", "function"), ("red", "r")]
)
def test_an_english_word_inside_another_is_not_found(token, stem):
    assert stem not in stems(token)


def test_korean_forms_are_tried_longest_first():
    assert stems("함수를") == ("함수를", "함수")


def test_every_word_speaks_for_one_role_with_a_weight():
    assert {role for role, _ in WORDS.values()} == {"coding", "reasoning", "general"}
    assert all(0.5 <= weight <= 2.5 for _, weight in WORDS.values())
    assert all(word == word.lower().strip() for word in WORDS)
