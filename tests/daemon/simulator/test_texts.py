"""The texts are those of the recordings."""

import pytest

from innkeepd.simulator import texts
from support import recordings


def said(folder):
    return {
        (error.get("message") if isinstance(error, dict) else error)
        for name in recordings.names(folder)
        for record in recordings.records(line for _, line in recordings.read(folder, name)["response"]["lines"])
        if isinstance(record, dict) and (error := record.get("error"))
    }


@pytest.mark.parametrize(
    "text",
    [
        texts.V33.load_failure, texts.V33.runner_died, texts.V33.metal_out_of_memory, texts.V33.killed,
        texts.V33.embed_missing.format(name="nope"), texts.QUEUE_FULL, texts.TOO_LONG, texts.NO_EMBEDDINGS,
        texts.NO_IMAGES, texts.NO_SHIFT, texts.CUT_FILE, texts.BAD_MAGIC, texts.exceeds(3516, 512),
        texts.malloc_failed(131_072_000_000),
    ],
)  # fmt: skip
def test_a_text_of_033_was_recorded(text):
    assert text in {each.replace("125000.00", "125000.00") for each in said("ollama-0.33")}


@pytest.mark.parametrize("text", [texts.V17.load_failure, texts.UNEXPECTED_EOF, texts.QUEUE_FULL, texts.TOO_LONG])
def test_a_text_of_017_was_recorded(text):
    assert text in said("ollama")
