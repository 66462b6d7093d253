from innkeepd.policy.routing.features import BUCKETS, READ, excerpt, features, letters, words


def test_a_text_is_read_composed_in_lower_case_with_digits_as_zero():
    assert letters("  한\u1100\u1161  Was\n12% ") == " 한가 was 00% "


def test_a_short_text_is_read_whole_and_a_long_one_at_its_ends_and_between():
    assert excerpt("x" * READ) == "x" * READ
    long = "".join(chr(0x4E00 + place // 50) for place in range(40_000))
    read = excerpt(long)
    assert len(read) == READ
    assert read.startswith(long[:100])
    assert read.endswith(long[-100:])
    assert len(set(read)) > 20


def test_features_are_numbers_below_the_buckets_and_count_once():
    found = features("aaaa aaaa aaaa")
    assert all(0 <= each < BUCKETS for group in found for each in group)
    assert features("aaaa aaaa aaaa aaaa") == found
    assert features("") != features("a")
    assert features("").ends == set()


def test_the_request_before_a_long_paste_keeps_its_own_features():
    paste = " and then the rain fell on the old roof" * 30
    ends = features(f"summarise this{paste}").ends
    assert ends & features("summarise this").ends
    assert features(f"summarise this{paste} {paste}").ends == ends


def test_a_decomposed_text_has_the_features_of_the_composed_one():
    assert features("하늘은") == features("\u1112\u1161\u1102\u1173\u11af\u110b\u1173\u11ab")


def test_korean_forms_of_one_stem_share_what_their_final_would_hide():
    def shared(one, other):
        return len(features(one).body & features(other).body)

    assert shared("요약할", "요약한") > shared("요약할", "요약둘")


def test_words_come_in_their_order_with_marks():
    assert words("Why, 왜?") == ["why", ",", "왜", "?"]
