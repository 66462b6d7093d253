import pytest

from innkeepd.policy.routing.shapes import FALSE_FRIENDS, SHAPES, is_word_problem


def labels(text):
    return {shape.label for shape in SHAPES if shape.is_in(text if shape.exact else text.lower())}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("```python\nprint(1)\n```", "code fence"),
        ('Traceback (most recent call last):\n  File "a.py", line 3', "stack trace"),
        ("  at com.acme.Main.run(Main.java:17)", "stack trace"),
        ("TypeError: x is not a function", "error message"),
        ("서버가 에러 502를 뱉어요", "error message"),
        ("def f(x):\n  pass", "code"),
        ("SELECT a FROM t WHERE b", "SQL"),
        ("git push origin main", "command"),
        ("look at src/main.rs please", "file name"),
        ("what is my_variable", "identifier"),
        ("write a regex for emails", "asks for code"),
        ("implement an LRU cache in Go", "programming language"),
        ("백업 스크립트 하나 짜줘", "asks for code"),
        ("\\frac{1}{2}", "formula"),
        ("3x + 2 = 11", "equation"),
        ("이 함수 그래프를 그려서", "mathematical function"),
        ("is it cheaper to rent", "weighs options"),
        ("어느 쪽이 나아", "weighs options"),
        ("why does ice float", "asks for causes"),
        ("all cats are animals", "premises"),
        ("translate it to French", "translation"),
        ("다음을 영어로 번역해줘", "translation"),
        ("summarise the plot", "summary"),
        ("write a short poem", "asks for a text"),
        ("친구한테 보낼 편지 써줘", "asks for a text in Korean"),
        ("pretend you are a pirate", "a part to play"),
    ],
)
def test_a_shape_is_recognised(text, label):
    assert label in labels(text)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("write a GraphQL schema for a blog", "asks for a text"),
        ("write a function to sort a list", "asks for a text"),
        ("write a script for a YouTube video", "asks for code"),
        ("코틀린 코루틴 만들어줘", "asks for a text in Korean"),
        ("the reign of terror and errors", "error message"),
    ],
)
def test_a_shape_does_not_fall_for_its_neighbour(text, label):
    assert label not in labels(text)


def test_two_numbers_and_a_question_of_quantity_make_a_word_problem():
    assert is_word_problem("tom has 3 apples and buys 4. how many are left?")
    assert is_word_problem("사과 3개와 배 4개를 사면 얼마인가요?")
    assert not is_word_problem("how many people live in seoul?")
    assert not is_word_problem("chapters 3 and 4 were fun")


def test_no_two_shapes_of_one_role_differ_only_in_weight():
    keys = [(shape.role, shape.label, shape.parts) for shape in SHAPES]
    assert len(keys) == len(set(keys))


def test_false_friends_are_written_in_lower_case():
    assert all(text == text.lower() for text in FALSE_FRIENDS)
