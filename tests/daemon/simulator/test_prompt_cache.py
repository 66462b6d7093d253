"""What a runner does not read twice, and what that weighs."""

from innkeepd.simulator.prompt_cache import PromptCache
from innkeepd.simulator.text import count

MIB = 2**20


def read(cache, text, answer=""):
    """Read a prompt as a runner does; returns the tokens that were read."""
    tokens = count(text)
    cached = cache.cached(text, tokens)
    cache.keep(text, tokens, cached)
    if answer:
        cache.keep(f"{text}\n{answer}", tokens + count(answer), tokens)
    return tokens - cached


def test_the_same_prompt_is_read_once_but_for_its_last_token():
    cache = PromptCache(slots=1, limit=0, per_token=1)
    assert read(cache, "one two three four " * 20) == 95
    assert read(cache, "one two three four " * 20) == 1


def test_the_next_turn_reads_only_what_is_new():
    cache = PromptCache(slots=1, limit=0, per_token=1)
    first = "a long system prompt " * 50
    read(cache, first, "an answer")
    assert read(cache, f"{first}\nan answer\nand now?") < 5


def test_another_conversation_is_forgotten_without_ram_and_kept_with_it():
    one, other = "first conversation " * 40, "second conversation " * 40
    for limit, again in ((0, count(one)), (MIB, 1)):
        cache = PromptCache(slots=1, limit=limit, per_token=16)
        read(cache, one)
        read(cache, other)
        assert read(cache, one) == again


def test_ram_grows_along_the_recorded_curve_and_stays_under_its_limit():
    """40 prompts of 816 tokens at 16 KiB a token: 158 MB became 700 MB; with 64 MiB it was 245 MB and stayed."""
    for limit, most in ((8192 * MIB, 542e6), (64 * MIB, 64 * MIB)):
        cache = PromptCache(slots=1, limit=limit, per_token=16_384)
        for number in range(40):
            read(cache, f"{number:02d} " + "word " * 652)
        assert 0.75 * most < cache.size <= most
