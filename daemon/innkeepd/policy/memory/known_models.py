"""The models of the default chains, as they are known without asking anybody.

For reports when Ollama is down: real sizes of ``/api/tags`` (bytes on disk) and shapes of the architectures (layers,
KV heads, head length). What Ollama tells replaces them.
"""

from innkeepd.policy.model import Model

KNOWN_MODELS: tuple[Model, ...] = (
    Model(
        name="qwen2.5-coder:32b",
        weights="qwen2.5-coder:32b",
        size=19_851_349_898,
        parameters=32_763_876_352,
        quantization="Q4_K_M",
        layers=64,
        kv_heads=8,
        key_length=128,
        value_length=128,
        max_context=32_768,
    ),
    Model(
        name="deepseek-r1:32b",
        weights="deepseek-r1:32b",
        size=19_851_337_640,
        parameters=32_763_876_352,
        quantization="Q4_K_M",
        layers=64,
        kv_heads=8,
        key_length=128,
        value_length=128,
        max_context=131_072,
    ),
    Model(
        name="llama3.3:latest",
        weights="llama3.3:latest",
        size=42_520_413_916,
        parameters=70_553_706_560,
        quantization="Q4_K_M",
        layers=80,
        kv_heads=8,
        key_length=128,
        value_length=128,
        max_context=131_072,
    ),
    Model(
        name="llama3.1:8b",
        weights="llama3.1:8b",
        size=4_920_753_328,
        parameters=8_030_261_312,
        quantization="Q4_K_M",
        layers=32,
        kv_heads=8,
        key_length=128,
        value_length=128,
        max_context=131_072,
    ),
)
