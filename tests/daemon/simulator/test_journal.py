from innkeepd.simulator.journal import Journal, Seen


def test_a_journal_forgets_the_oldest():
    journal = Journal(length=2)
    for number in range(3):
        journal.requests.append(Seen(number, "GET", "/"))
    assert [each.at for each in journal.requests] == [1, 2]


def test_the_most_heavy_ones_at_once_are_remembered():
    journal = Journal()
    for heavy in ({"a"}, {"a", "b"}, {"b"}):
        journal.note_residents(0.0, frozenset(heavy), frozenset(heavy))
    assert journal.most_heavy == 2
    assert journal.residents[-1].heavy == {"b"}
