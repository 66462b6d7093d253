"""Error texts that differ between the versions, word for word as recorded."""

from msgspec import Struct

MIB = 2**20

UNEXPECTED_EOF = "an error was encountered while running the model: unexpected EOF"
QUEUE_FULL = "server busy, please try again.  maximum pending requests exceeded"
TOO_LONG = "the input length exceeds the context length"
NO_EMBEDDINGS = "This server does not support embeddings. Start it with `--embeddings`"
NO_IMAGES = (
    '{"error":{"code":400,"message":"Multimodal data provided, but model does not support multimodal requests.",'
    '"type":"invalid_request_error"}}'
)
COMPUTE_ERROR = '{"error":{"code":500,"message":"Compute error.","type":"server_error"}}'
NO_SHIFT = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the "
    "context length in settings, or use a model with a longer context length"
)
CUT_FILE = 'tensor "blk.1.ffn_down.weight" offset+size (16286528) exceeds file size (16011680)'
BAD_MAGIC = "invalid file magic"
KILLED = "llama-server process has terminated: signal: killed"
_LACKS = "error loading model: check_tensor_dims: tensor 'blk.1.attn_q.weight' not found"


class Texts(Struct, frozen=True):
    """Texts of one version.

    ``load_failure``: a tensor is missing. ``runner_died`` and ``metal_out_of_memory``: before the first record.
    ``killed``: while it loads.
    """

    load_failure: str
    runner_died: str
    metal_out_of_memory: str
    killed: str
    show_adds_tag: bool
    embed_missing: str


V17 = Texts(
    load_failure="llama runner process has terminated: error loading model: missing tensor 'blk.1.ffn_down.weight'",
    runner_died=(
        "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, "
        "check ollama server logs for details"
    ),
    metal_out_of_memory="kIOGPUCommandBufferCallbackErrorOutOfMemory",
    killed="llama runner process has terminated: signal: killed",
    show_adds_tag=False,
    embed_missing="model '{name}' not found",
)
V33 = Texts(
    load_failure=f"llama-server process has terminated: exit status 1: {_LACKS}\n{_LACKS}",
    runner_died=UNEXPECTED_EOF,
    metal_out_of_memory=(
        f"{COMPUTE_ERROR}\nerror: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
    ),
    killed=KILLED,
    show_adds_tag=True,
    embed_missing='model "{name}" not found, try pulling it first',
)


def malloc_failed(size: int) -> str:
    """llama-server's text where the system does not grant ``size`` bytes for the KV cache."""
    return (
        "llama-server process has terminated: exit status 1: ggml_aligned_malloc: insufficient memory (attempted to "
        f"allocate {size / MIB:.2f} MB)\n"
        f"ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size {size}\n"
        f"alloc_tensor_range: failed to allocate CPU buffer of size {size}\n"
        "llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv cache"
    )


def exceeds(tokens: int, context: int) -> str:
    """llama-server's refusal of a prompt: JSON, which Ollama hands on as the text of its error."""
    return (
        f'{{"error":{{"code":400,"message":"request ({tokens} tokens) exceeds the available context size ({context} '
        f'tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":{tokens},'
        f'"n_ctx":{context}}}}}'
    )
