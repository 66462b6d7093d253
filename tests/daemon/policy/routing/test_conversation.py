import time

import pytest

from innkeepd.policy.routing.conversation import is_errand, own_words, tool_role


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<system-reminder>\nToday's date is 2026-11-24.\n</system-reminder>\n\nSay hello", "Say hello"),
        ("<environment_context>\n  <shell>bash</shell>\n</environment_context>", ""),
        ("<user_query>\nwhy?\n</user_query>", "why?"),
        ("hello <system-reminder>a</system-reminder> there <system-reminder>b</system-reminder>", "hello \n there"),
        ("<context> that never ends, a < b, <context> again", "<context> that never ends, a < b, <context> again"),
        ("<context>a <system-reminder>b</system-reminder></context>c", "c"),
        ("hello\n\n# *SEARCH/REPLACE block* Rules:\n\nEvery block must", "hello"),
        ("plain words", "plain words"),
    ],
)
def test_what_an_agent_lays_around_the_words_is_cut(text, words):
    assert own_words(text) == words


def test_a_huge_message_is_read_at_its_ends_and_fast():
    text = "<context>" * 2_000_000
    started = time.process_time()
    assert len(own_words(text)) <= 65_537
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "text",
    ["### Task:\nGenerate a concise title", '"Generate a title for this conversation:\n', "<session>\nhi\n</session>"],
)
def test_a_clients_errand_is_known(text):
    assert is_errand(text)


def test_a_users_wish_is_no_errand():
    assert not is_errand("Generate a title for my poem about the sea")


@pytest.mark.parametrize(
    ("tools", "role"),
    [
        ((), None),
        (("get_weather", "Bash"), "coding"),
        (("exec_command",), "coding"),
        (("str_replace_based_edit_tool",), "coding"),
        (("apply_patch",), "coding"),
        (("MultiEdit",), "coding"),
        (("Bash", "get_weather"), None),
        (("WebSearch",), None),
        (("TodoWrite",), None),
        (("lookup_customer",), None),
    ],
)
def test_the_last_tool_that_ran_speaks_for_a_role(tools, role):
    assert tool_role(tools) == role
