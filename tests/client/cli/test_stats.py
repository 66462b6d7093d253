from innkeep import wire
from innkeep.cli.stats import OFF, stats_text


def test_what_would_have_changed_is_told_most_first():
    rows = [wire.ShadowCount("a", "general", "a", 3), wire.ShadowCount("a", "coding", "b", 5)]
    assert stats_text(wire.Stats(id=0, shadow=True, routing=rows)).splitlines() == [
        "5 of 8 chats that named a model would have gone elsewhere",
        "      5  a -> b (coding)",
        "      3  a stays (general)",
    ]
    assert stats_text(wire.Stats(id=0, shadow=False, routing=rows)).endswith(OFF)


def test_without_counts_it_says_why():
    assert stats_text(wire.Stats(id=0, shadow=False, routing=[])) == OFF
    assert "yet" in stats_text(wire.Stats(id=0, shadow=True, routing=[]))
