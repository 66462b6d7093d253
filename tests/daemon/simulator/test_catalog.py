import pytest

from innkeepd.simulator.catalog import LLAMA8, LLAMA70, QWEN, SHELF, Catalog, Pulled, details, show, tagged


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("big", "big:latest"),
        ("registry.ollama.ai/library/big", "big:latest"),
        ("llama3.1:8b", "llama3.1:8b"),
        ("host:5000/team/big", "host:5000/team/big:latest"),
    ],
)
def test_a_name_is_listed_with_its_tag(name, expected):
    assert tagged(name) == expected


def test_footprints_are_weights_cache_and_buffers():
    gib = 2**30
    assert QWEN.footprint(8192) == QWEN.size + 2 * gib + QWEN.size // 20
    assert LLAMA8.footprint(4096, parallel=2) == LLAMA8.size + gib + LLAMA8.size // 20
    assert LLAMA70.footprint(4096) - LLAMA70.size == 5 * gib // 4 + gib


def test_digests_are_unique_and_stable():
    assert len({model.manifest for model in SHELF}) == len(SHELF)
    assert QWEN.manifest == Catalog().find("qwen2.5-coder:32b").manifest


def test_a_derived_model_shares_the_weights_and_lays_its_parameters_over():
    catalog = Catalog([Pulled("a", 10, options={"num_ctx": 1, "num_predict": 40})])
    child = catalog.derive("b", catalog.find("a"), {"num_ctx": 2}, "now")
    assert child.blob == catalog.find("a").blob
    assert child.manifest != catalog.find("a").manifest
    assert child.options == {"num_ctx": 2, "num_predict": 40}
    assert [model.name for model in catalog] == ["a:latest", "b:latest"]


@pytest.mark.parametrize(("count", "text"), [(32_763_876_352, "32.8B"), (189_310_000, "189.31M"), (108_000, "108K")])
def test_parameters_are_told_as_ollama_tells_them(count, text):
    assert details(Pulled("a", 1, count))["parameter_size"] == text


def test_show_tells_capabilities_and_parameters_honestly():
    plain = show(QWEN)
    assert plain["capabilities"] == ["completion", "tools", "insert"]
    assert ".Suffix" in plain["template"]
    assert "parameters" not in plain
    assert plain["model_info"]["qwen2.attention.head_count_kv"] == 8
    assert plain["model_info"]["qwen2.block_count"] == 64
    assert plain["model_info"]["qwen2.embedding_length"] // plain["model_info"]["qwen2.attention.head_count"] == 128
    derived = Catalog().derive("b", QWEN, {"num_ctx": 8192}, "now")
    assert show(derived)["parameters"] == "num_ctx                        8192"
