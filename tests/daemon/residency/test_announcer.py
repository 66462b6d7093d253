from innkeepd.residency.announcer import Announcer


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
