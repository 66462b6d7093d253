"""A Ray Serve application that speaks the OpenAI API: two replicas, words instead of a model.

Runs in the engines' own environment: ``python ray_app.py PORT FOLDER``; says ``ready`` and stays until its standard
input ends. A chat is answered with the process id of the replica that answers, then with as many words as
``[words N]`` says, ``[pause S]`` seconds apart; ``[die]`` is a replica that dies before its first word.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator

import ray
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from ray import serve

MODEL = "llama3.3"
app = FastAPI()


def _said(text: str, name: str, otherwise: float) -> float:
    found = re.search(rf"\[{name} ([0-9.]+)\]", text)
    return float(found[1]) if found else otherwise


def _chunk(**choice: object) -> str:
    body = {"id": "c", "object": "chat.completion.chunk", "model": MODEL, "choices": [{"index": 0, **choice}]}
    return f"data: {json.dumps(body)}\n\n"


async def _words(text: str) -> AsyncIterator[str]:
    count, pause = int(_said(text, "words", 3)), _said(text, "pause", 0.0)
    yield _chunk(delta={"role": "assistant", "content": ""}, finish_reason=None)
    if "[die]" in text:
        os._exit(1)
    for word in [f"{os.getpid()}", *(f" word{number}" for number in range(count))]:
        yield _chunk(delta={"content": word}, finish_reason=None)
        await asyncio.sleep(pause)
    yield _chunk(delta={}, finish_reason="stop")
    usage = {"prompt_tokens": len(text.split()), "completion_tokens": count + 1, "total_tokens": 0}
    yield f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


# Two at once on each: four at once need both.
@serve.deployment(num_replicas=2, max_ongoing_requests=2, ray_actor_options={"num_cpus": 0.1})
@serve.ingress(app)
class Engine:
    """One replica."""

    @app.get("/v1/models")
    async def models(self) -> JSONResponse:
        """What is served."""
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(self, request: Request) -> StreamingResponse | JSONResponse:
        """A streamed answer."""
        body = await request.json()
        if body.get("model") != MODEL:
            words = f"The model `{body.get('model')}` does not exist."
            return JSONResponse({"error": {"message": words, "code": "model_not_found"}}, status_code=404)
        return StreamingResponse(_words(body["messages"][-1]["content"]), media_type="text/event-stream")


def main() -> None:
    """Serve until nobody is there any more."""
    port, folder = int(sys.argv[1]), sys.argv[2]
    ray.init(num_cpus=2, include_dashboard=False, _temp_dir=folder, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Engine.bind())
    print("ready", flush=True)
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
