"""A long agent's conversation on a real Ollama: what the runner reads, in its own words, is what is new."""

import re

from support.gguf_models import TOOLS
from support.live import DaemonProcess

TURNS = 30
SYSTEM = [{"type": "text", "text": "You are an agent. "}, {"type": "text", "text": "Rules follow. " * 200}]
SCHEMA = {
    "type": "object",
    "required": ["path"],
    "properties": {"path": {"type": "string"}, "line": {"type": "integer"}},
}
TASKS = [
    re.compile(rb"cache slot.*\bprompt=(\d+) used=(\d+)"),  # 0.17, with OLLAMA_DEBUG
    re.compile(rb"prompt eval time =.*?/ +(\d+) tokens"),  # llama-server: those that it read
]


def read_tokens(log: bytes) -> list[int]:
    """Tokens that each prompt made the runner read, as its log tells."""
    own = [int(prompt) - int(used) for prompt, used in TASKS[0].findall(log)]
    return own or [int(tokens) for tokens in TASKS[1].findall(log)]


def turn(number: int) -> list[dict[str, object]]:
    """What a turn of Claude Code adds: a call, its result, and words behind it now and then."""
    call = {"type": "tool_use", "id": f"t{number}", "name": "read", "input": {"path": f"src/{number}.py"}}
    result = {
        "type": "tool_result",
        "tool_use_id": f"t{number}",
        "content": [{"type": "text", "text": f"line {number} " * 8}],
    }
    words = [{"type": "text", "text": "go "}, {"type": "text", "text": "on"}] if number % 3 else []
    return [
        {"role": "assistant", "content": [{"type": "text", "text": "I look."}, call]},
        {"role": "user", "content": [result, *words]},
    ]


def test_thirty_turns_of_an_agent_read_each_token_once(start_ollama):
    ollama = start_ollama(OLLAMA_DEBUG="1", OLLAMA_NUM_PARALLEL="1")
    ollama.create("agent", **{"from": "roomy", "template": TOOLS, "parameters": {"num_predict": 1, "num_thread": 1}})
    body = {
        "model": "agent",
        "max_tokens": 1,
        "metadata": {"user_id": "x" * 20_000},  # bytes that are no tokens, so that only a count tells whether it fits
        "system": SYSTEM,
        "tools": [{"name": "read", "description": "reads a file", "input_schema": SCHEMA}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<reminder>"}, {"type": "text", "text": "fix it"}]}
        ],
    }
    with DaemonProcess(ollama, http=True, light="agent") as daemon:
        answer = daemon.post("/v1/messages", body)
        assert answer.status == 200, answer
        started = answer.json()["usage"]["input_tokens"]
        first = ollama.log.stat().st_size
        prompts = []
        for number in range(TURNS):
            body["messages"] += turn(number)
            answer = daemon.post("/v1/messages", body)
            assert answer.status == 200, answer
            prompts.append(answer.json()["usage"]["input_tokens"])
    with ollama.log.open("rb") as log:
        log.seek(first)
        data = log.read()
    read = read_tokens(data)
    assert len(read) == 2 * TURNS, data[-2000:]  # each prompt is counted, then answered
    again = sum(read) - (prompts[-1] - started)
    assert again <= 0.01 * sum(prompts), (read, prompts)
