import anyio
import pytest

from innkeepd.residency.announcer import AT_ONCE, BEHIND, Announcer


def test_a_listener_that_fails_is_told_to_the_others_and_disturbs_nobody():
    announcer, heard = Announcer(), []

    def broken(_kind, _what, _data):
        raise ValueError("odd")

    announcer.listeners += [broken, lambda kind, what, _data: heard.append((kind, what))]
    announcer.tell("residency", "loaded", {})
    assert heard == [("log", "a fault of innkeepd itself"), ("residency", "loaded")]
    assert repr(announcer).startswith("<Announcer to 2 listeners")


def test_the_words_of_a_fault_are_not_told():
    announcer, heard = Announcer(), []
    announcer.listeners.append(lambda _kind, _what, data: heard.append(data))
    announcer.report("here", ValueError("a prompt"))
    assert (heard[0]["where"], "a prompt" in heard[0]["error"]) == ("here", False)


def crowded(many: int) -> tuple[Announcer, list[list[str]]]:
    announcer, heard = Announcer(), [[] for _ in range(many)]
    announcer.listeners += [lambda _kind, what, _data, own=own: own.append(what) for own in heard]
    return announcer, heard


@pytest.mark.anyio
async def test_of_many_listeners_the_first_hear_at_once_and_the_others_soon_in_order():
    announcer, heard = crowded(AT_ONCE * 3 + 1)
    for number in range(3):
        announcer.tell("log", str(number), {})
    assert [len(own) for own in heard] == [3] * AT_ONCE + [0] * (AT_ONCE * 2 + 1)
    del announcer.listeners[-1]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(announcer.run)
        with anyio.fail_after(60):
            while len(heard[-2]) < 3:
                await anyio.lowlevel.checkpoint()
        announcer.tell("log", "3", {})
        with anyio.fail_after(60):
            while len(heard[-2]) < 4:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert heard[:-1] == [["0", "1", "2", "3"]] * (AT_ONCE * 3)
    assert heard[-1] == [], "it no longer listened when its turn came"


def test_who_is_too_far_behind_is_caught_up_with():
    announcer, heard = crowded(AT_ONCE + 2)
    for number in range(BEHIND + 1):
        announcer.tell("log", str(number), {})
    assert heard[0] == heard[-1] == [str(number) for number in range(BEHIND + 1)]
