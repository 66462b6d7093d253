from innkeepd.chat.shadow import MOST, Seen, Shadow


def test_chats_are_counted_by_what_would_have_changed():
    shadow = Shadow()
    shadow.count(Seen("a", "coding", "b"))
    shadow.count(Seen("a", "coding", "b"))
    assert shadow.counts == {("a", "coding", "b"): 2}
    assert repr(shadow) == "Shadow(2 chats)"


def test_names_without_end_fill_no_memory():
    shadow = Shadow()
    for number in range(MOST + 50):
        shadow.count(Seen(f"m{number}", "general", "b"))
    assert len(shadow.counts) == MOST + 1
    assert shadow.counts[Seen("other", "general", "other")] == 50
