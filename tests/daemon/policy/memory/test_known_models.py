from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.model import kv_bytes


def test_the_catalogue_is_the_default_chains_with_the_sizes_and_shapes_that_were_measured():
    """32B: 256 KiB a token; 70B: 320; 8B: 128."""
    assert {model.name: (model.size, kv_bytes(model, 1) // 1024) for model in KNOWN_MODELS} == {
        "qwen2.5-coder:32b": (19_851_349_898, 256),
        "deepseek-r1:32b": (19_851_337_640, 256),
        "llama3.3:latest": (42_520_413_916, 320),
        "llama3.1:8b": (4_920_753_328, 128),
    }
