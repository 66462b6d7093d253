"""What was recorded of a real Ollama, and how an answer of the simulator is compared with it."""

import json
import re
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


def names(folder):
    """The recordings of one version."""
    return sorted(path.stem for path in (DATA / folder).glob("*.json"))


def read(folder, name):
    """One recording: ``request`` and ``response``."""
    return json.loads((DATA / folder / f"{name}.json").read_text())


def kinds(value, path=""):
    """Every path of a JSON value with its type; a list counts by its first element."""
    if isinstance(value, dict):
        own = {f"{path}.{key}": type(each).__name__ for key, each in value.items()}
        return own | {name: kind for key, each in value.items() for name, kind in kinds(each, f"{path}.{key}").items()}
    if isinstance(value, list) and value:
        return {f"{path}[]": type(value[0]).__name__} | kinds(value[0], f"{path}[]")
    return {}


def body_of(request):
    """The bytes of a recorded body; a long text may be abbreviated in it."""
    body = request["body"]
    if isinstance(body, str):
        return body.encode()
    if body is None:
        return None
    return json.dumps(body).replace('(\\"hello world \\" repeated 2000 times)', "hello world " * 2000).encode()


def records(lines):
    """The JSON of every line that has some, those of server-sent events too."""
    texts = [line.removeprefix("data: ") for line in lines]
    return [json.loads(text) for text in texts if text.startswith("{")]


def plain(text):
    """An error's text without what differs between machines."""
    text = re.sub(r"\d+\.\d+ GiB", "N GiB", text.replace("example.invalid", "registry.ollama.ai"))
    text = re.sub(r"req_\w+", "req_N", text)
    return re.sub(r"\d+ tokens|_tokens\W+\d+|\d+\.\d+ MB|size \d{9,}|ts=\d+", "N", text)
