import pytest

from innkeepd.policy.routing.classifier import ROLES, Header, decode, encode
from innkeepd.policy.routing.features import BUCKETS, VERSION, features

HEADER = Header(VERSION, BUCKETS, 0.5, (0.25, 0.0, -0.25), 1.0)


def weights(**loud):
    """Weights with which each role hears one text only."""
    rows = {role: bytearray(BUCKETS) for role in ROLES}
    for role, text in loud.items():
        for each in features(text).body:
            rows[role][each] = 100
    return encode(HEADER, {role: bytes(row) for role, row in rows.items()})


def test_a_text_scores_for_the_role_that_hears_it():
    classifier = decode(weights(coding="zebra", general="lemon"))
    scores = classifier.scores("zebra")
    assert max(scores, key=scores.get) == "coding"
    assert scores["coding"] == pytest.approx(0.25 + 0.5 * 100 * len(features("zebra").body) ** 0.5)
    assert scores["reasoning"] == pytest.approx(0)
    assert repr(classifier) == f"Classifier({BUCKETS} buckets)"


def test_the_words_that_speak_for_a_role_are_told_the_loudest_first():
    classifier = decode(weights(coding="zebra"))
    assert classifier.decisive("the zebra , sleeps", "coding", 1) == ["zebra"]
    assert "zebra" not in classifier.decisive("the zebra sleeps", "general")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}\n",
        b"\xff\xfe",
        weights()[:-1],
        encode(Header(VERSION + 1, BUCKETS, 1.0, (0.0, 0.0, 0.0), 1.0), dict.fromkeys(ROLES, bytes(BUCKETS))),
    ],
)
def test_bytes_that_are_no_weights_are_refused(data):
    with pytest.raises(ValueError, match=r"weights"):
        decode(data)


def test_a_text_without_words_is_scored_by_its_letters_alone():
    classifier = decode(weights(coding="_"))
    assert features("_").ends == set()
    assert classifier.scores("_")["coding"] > classifier.scores("_")["general"]
