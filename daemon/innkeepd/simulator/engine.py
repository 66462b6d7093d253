"""The simulated Ollama: a request in, a status, headers and chunks out, with a real one's timing and traps.

No socket, no thread and no task of its own: the work of a request runs in the task that awaits ``handle`` and reads the
body, on anyio's clock. So the same engine serves real HTTP (``server.py``) and tests on a mock clock.
"""

from typing import Any

import anyio

from innkeepd.simulator.answer import JSON, TEXT, V1_JSON, SimAnswer, json_answer, whole
from innkeepd.simulator.body import parse
from innkeepd.simulator.catalog import sha
from innkeepd.simulator.faults import DOOR, REFUSE, Disconnected, Refusal
from innkeepd.simulator.journal import Seen
from innkeepd.simulator.routes import find_route, is_known
from innkeepd.simulator.state import State
from innkeepd.simulator.texts import QUEUE_FULL

V1_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


class Simulator(State):
    """The state and its request handler."""

    async def handle(self, method: str, path: str, body: bytes | None = None) -> SimAnswer:
        """Answer a request; returns once the head would be sent.

        Raises ``Disconnected`` where there is no answer at all.
        """
        path = path.partition("?")[0]
        request, wrong = parse(body)
        self.journal.requests.append(Seen(anyio.current_time(), method, path, request))
        if self.down:
            raise Disconnected("the simulated Ollama is down: connection refused")
        found = find_route(method, path)
        if found is None:
            known = is_known(path)
            return whole(b"405 method not allowed" if known else b"404 page not found", TEXT, 405 if known else 404)
        route, named = found
        try:
            if method == "POST" and wrong:
                raise Refusal(400, wrong)
            self._at_the_door(path, request or {})
            return await route(self, named or request or {})
        except Refusal as end:
            return self._refusal(path, end)

    def _refusal(self, path: str, end: Refusal) -> SimAnswer:
        """An error in the shape of the path's API."""
        if not path.startswith("/v1/"):
            return json_answer({"error": end.text}, end.content_type or JSON, end.status)
        typed = self.release.types_v1_errors
        if typed and path == "/v1/messages":
            kind = "overloaded_error" if end.status == 503 else V1_TYPES.get(end.status, "api_error")
            error = {"type": kind, "message": end.text}
            document: dict[str, Any] = {"type": "error", "error": error, "request_id": f"req_{sha(end.text)[:24]}"}
        else:
            kind = V1_TYPES.get(end.status, "api_error") if typed else "api_error"
            document = {"error": {"message": end.text, "type": kind, "param": None, "code": None}}
        return json_answer(document, V1_JSON, end.status)

    def _at_the_door(self, path: str, body: dict[str, Any]) -> None:
        """Raises the next injected fault of this kind. A full queue only fails requests that would wait in it."""
        if path.startswith("/simulator"):
            return
        model = self.catalog.find(str(body.get("model") or ""))
        lines_up = bool(body.get("model")) and path != "/api/show"
        fault = self.faults.take(DOOR if lines_up else REFUSE, model.name if model else None)
        if fault is not None and fault.how == "refuse":
            raise Disconnected("the simulated Ollama refuses: connection refused")
        if fault is not None:
            raise Refusal(503, QUEUE_FULL)
