from xml.etree import ElementTree as ET

from innkeep.cli.bench_report import markdown, svg
from innkeep.cli.bench_result import Bench, ModelResult, Run, expectation, median

RUNS = [
    Run("English", 80, 0.4, 150.0, 12.0, 40),
    Run("Korean", 70, 0.6, 140.0, 11.0, 40),
    Run("English", 2000, 9.0, 220.0, 10.0, 40),
    Run("Korean", 1900, 8.0, None, None, 0),
]
BIG = ModelResult("a:32b", 32_000_000_000, "Q4", 4096, 12.0, 1.0, 13.0, 20 * 2**30, None, RUNS)


def test_the_short_prompts_tell_the_first_token_and_the_long_ones_prefill():
    assert (BIG.first_token, BIG.prefill, BIG.decode) == (0.5, 220.0, 11.0)


def test_of_nothing_nothing_is_known():
    empty = ModelResult("m", 1)
    assert (empty.first_token, empty.prefill, empty.decode, median([])) == (None, None, None, None)
    assert "| m | - | - |" in markdown(Bench(results=[empty]))
    assert ET.fromstring(svg(Bench(results=[empty]))) is not None


def test_a_simulation_says_so():
    assert "A simulation" in markdown(Bench(simulated=True, results=[BIG]))
    assert "A simulation" not in markdown(Bench(results=[BIG]))


def test_the_sketch_is_compared_only_where_it_says_something():
    assert (expectation(32_763_876_352).size, expectation(8_030_261_312).size, expectation(70_000_000_000)) == (
        "32B",
        "8B",
        None,
    )
    assert "| a:32b | 2 to 3 s | 0.5 s | faster |" in markdown(Bench(results=[BIG]))
    small = ModelResult("tiny", 1_000_000, cold_load=1.0)
    assert "The sketch expected nothing of models of these sizes" in markdown(Bench(results=[small]))


def test_the_picture_is_well_formed_and_escapes_names():
    root = ET.fromstring(svg(Bench(ollama="<0.33>", results=[BIG, ModelResult('x"<&', 8_000_000_000, cold_load=2.0)])))
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert 'x"<&' in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 8
