"""A body under ``/v1`` as Ollama itself turns it into one for ``/api/chat``, so that both make the same prompt.

A prompt that is counted through ``/api/chat`` before its request goes to ``/v1`` must be that request's own, or the two
push each other out of the runner's cache and each turn reads the whole prompt twice. Source: read in Ollama's
``anthropic/anthropic.go`` (``FromMessagesRequest``) and ``openai/{openai,responses}.go`` (``FromChatRequest``,
``FromResponsesRequest``) of 0.17.4 and 0.33.0; ``newer`` below means 0.30 and later.

One case cannot be laid out alike: before 0.30 Ollama orders the ``input`` of an Anthropic ``tool_use`` with more than
one member at random, anew for each request.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from innkeepd.policy.fallback import estimate_tokens

Body: TypeAlias = Mapping[str, Any]
Message: TypeAlias = dict[str, Any]

_WEB_SEARCH = {
    "messages": (
        "Search the web for current information. Use this to find up-to-date information about any topic.",
        "The search query to look up on the web",
    ),
    "responses": ("Search the web for current information.", "The search query."),
}
TEMPLATE_TOKENS = 4
"""Tokens that a template adds to a message, about."""
_EFFORTS = {"minimal": "low", "xhigh": "max", "ultra": "max"}
"""``thinkFromReasoningEffort`` of 0.33; other words go on as they are."""


def messages_prompt(body: Body, *, newer: bool, thinks: bool = True) -> dict[str, Any]:
    """``/v1/messages``. ``thinks``: whether the model can; Ollama drops the wish here where it cannot."""
    system = _texts(body.get("system"))
    laid = [{"role": "system", "content": system}] if system else []
    for message in _maps(body.get("messages")):
        laid += _anthropic(message, newer=newer)
    tools = _maps(body.get("tools"))
    searches = any(_word(tool, "type").startswith("web_search") for tool in tools)
    kept = [tool for tool in tools if not (searches and _is_shadowed(tool))]
    return _chat(
        laid, [_anthropic_tool(tool) for tool in kept], _anthropic_think(body, newer=newer) if thinks else None
    )


def openai_prompt(body: Body, *, newer: bool) -> dict[str, Any]:
    """``/v1/chat/completions``: each part of a message becomes a message of its own; tools go on as they came."""
    spoken = _maps(body.get("messages"))
    laid = [each for message in spoken for each in _openai(message, spoken)]
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else body.get("reasoning_effort")
    tools = [tool for tool in _maps(body.get("tools")) if isinstance(tool.get("function"), dict)]
    return _chat(laid, tools, _think(effort, newer=newer))


def responses_prompt(body: Body, *, newer: bool) -> dict[str, Any]:
    """``/v1/responses``; before 0.30 Ollama reads no ``reasoning`` there."""
    laid: list[Message] = []
    for role, text in (("system", body.get("instructions")), ("user", body.get("input"))):
        if isinstance(text, str) and text:
            laid.append({"role": role, "content": text})
    items, pending = _maps(body.get("input")), ""
    for place, item in enumerate(items):
        pending = _item(laid, item, items[place + 1 : place + 2], pending, newer=newer)
    if pending:
        laid.append({"role": "assistant", "content": "", "thinking": pending})
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if newer and isinstance(reasoning, dict) else None
    return _chat(laid, _responses_tools(_maps(body.get("tools")), newer=newer), _think(effort, newer=newer))


def estimated_tokens(chat: Body) -> int:
    """About how many tokens a model reads of a laid out body: texts, thinking, calls, tools; not images."""
    tokens = estimate_tokens(json.dumps(chat["tools"], ensure_ascii=False)) if chat.get("tools") else 0
    for message in chat["messages"]:
        calls = json.dumps(message["tool_calls"], ensure_ascii=False) if message.get("tool_calls") else ""
        tokens += sum(map(estimate_tokens, (message["content"], message.get("thinking", ""), calls))) + TEMPLATE_TOKENS
    return tokens


def _chat(messages: list[Message], tools: list[dict[str, Any]], think: object) -> dict[str, Any]:
    chat: dict[str, Any] = {"messages": messages}
    if tools:
        chat["tools"] = tools
    return chat if think is None else chat | {"think": think}


# ---- Anthropic's shape ---------------------------------------------------------------------------------------------


def _anthropic(message: Body, *, newer: bool) -> list[Message]:
    """One message: its text, images, calls and thinking in one, each tool's result in its own.

    Results stand before the user's text since 0.30, behind it before.
    """
    role, content = _word(message, "role").lower(), message.get("content")
    if isinstance(content, str):
        return [{"role": role, "content": content}] if content or not newer else []
    parts = _maps(content)
    results = [_result(part, newer=newer) for part in parts if part.get("type") == "tool_result"]
    spoken: Message = {"role": role, "content": _texts(content)}
    thoughts = [_word(part, "thinking") for part in parts if part.get("type") == "thinking"]
    calls = [_call(part) for part in parts if part.get("type") in ("tool_use", "server_tool_use")]
    more = {"images": _images(parts), "tool_calls": calls, "thinking": thoughts[-1] if thoughts else ""}
    spoken |= {name: value for name, value in more.items() if value}
    said = [spoken] if len(spoken) > 2 or spoken["content"] else []
    return [*results, *said] if newer and role == "user" else [*said, *results]


def _result(part: Body, *, newer: bool) -> Message:
    content = part.get("content")
    message = {"role": "tool", "content": content if isinstance(content, str) else _texts(content)}
    message["tool_call_id"] = _word(part, "tool_use_id")
    images = _images(_maps(content)) if newer else []
    return message | ({"images": images} if images else {})


def _call(part: Body) -> dict[str, Any]:
    given = part.get("input")
    arguments = given if isinstance(given, dict) else {}
    return {"id": _word(part, "id"), "function": {"name": _word(part, "name"), "arguments": arguments}}


def _images(parts: Iterable[Body]) -> list[str]:
    sources = (part.get("source") for part in parts if part.get("type") == "image")
    return [_word(source, "data") for source in sources if isinstance(source, dict)]


def _is_shadowed(tool: Body) -> bool:
    return tool.get("name") == "web_search" and not _word(tool, "type").startswith("web_search")


def _anthropic_tool(tool: Body) -> dict[str, Any]:
    if _word(tool, "type").startswith("web_search"):
        return _web_search("messages")
    return _function(tool, tool.get("input_schema"))


def _anthropic_think(body: Body, *, newer: bool) -> bool | str | None:
    thinking, output = body.get("thinking"), body.get("output_config")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind == "enabled" or (newer and kind == "disabled"):
        return bool(kind == "enabled")
    effort = _word(output, "effort").strip().lower() if newer and isinstance(output, dict) else ""
    effort = "high" if effort == "xhigh" else effort
    return next((known for known in ("high", "medium", "low", "max") if effort == known), None)


# ---- OpenAI's shapes -----------------------------------------------------------------------------------------------


def _openai(message: Body, spoken: Iterable[Body]) -> list[Message]:
    role, content = _word(message, "role"), message.get("content")
    calls = [_openai_call(call) for call in _maps(message.get("tool_calls"))]
    tail: Message = {"thinking": _word(message, "reasoning"), "tool_calls": calls}
    named = {"tool_name": _tool_name(message, spoken)} if role.lower() == "tool" else {}
    if not isinstance(content, list):
        text = content if isinstance(content, str) else ""
        return [_without_empty({"role": role, "content": text, **tail, **(named if isinstance(content, str) else {})})]
    laid = [_openai_part(role, part) for part in _maps(content)]
    if laid and calls:
        laid[-1] = _without_empty(laid[-1] | tail | named)
    return laid


def _openai_part(role: str, part: Body) -> Message:
    if part.get("type") != "image_url":
        return {"role": role, "content": _word(part, "text")}
    given = part.get("image_url")
    url = _word(given, "url") if isinstance(given, dict) else given
    return {"role": role, "content": "", "images": [_base64(url)]}


def _openai_call(call: Body) -> dict[str, Any]:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return {"function": {"name": _word(function, "name"), "arguments": _arguments(function.get("arguments"))}}


def _tool_name(message: Body, spoken: Iterable[Body]) -> str:
    """The name that a tool's answer has, or that of the last call with its id."""
    name, wanted = _word(message, "name"), message.get("tool_call_id")
    for other in spoken if wanted and not name else ():
        for call in _maps(other.get("tool_calls")):
            if call.get("id") == wanted and isinstance(call.get("function"), dict):
                name = _word(call["function"], "name")
    return name


def _item(laid: list[Message], item: Body, following: list[Any], pending: str, *, newer: bool) -> str:
    """Lay one item of a response's input; returns the reasoning that waits for the next message of the assistant."""
    kind = item.get("type") or "message"
    if kind == "reasoning":
        return _word(item, "encrypted_content")
    if kind == "function_call_output":
        output = item.get("output")
        laid.append({"role": "tool", "content": output if isinstance(output, str) else _texts(output)})
        laid[-1]["tool_call_id"] = _word(item, "call_id")
        return pending
    if kind not in ("message", "function_call"):
        return pending
    thinking = {"thinking": pending} if pending else {}
    if kind == "function_call":
        function = {"name": _word(item, "name"), "arguments": _arguments(item.get("arguments"))}
        if not laid or laid[-1]["role"] != "assistant":
            laid.append({"role": "assistant", "content": ""})
        laid[-1] |= thinking
        laid[-1].setdefault("tool_calls", []).append({"id": _word(item, "call_id"), "function": function})
        return ""
    message = _without_empty({"role": _word(item, "role"), "content": _spoken(item), "images": _shown(item)})
    if message["role"] != "assistant":
        laid.append(message)
        return pending
    message |= thinking
    if newer and following and laid and _is_answered(laid[-1], following[0]):
        gap = "\n" if laid[-1]["content"] and message["content"] else ""
        laid[-1] |= {**message, "content": f"{laid[-1]['content']}{gap}{message['content']}"}
    else:
        laid.append(message)
    return ""


def _is_answered(last: Message, following: Body) -> bool:
    """Whether the item behind is the answer of a tool that the last message called (0.33 keeps those together)."""
    wanted = following.get("call_id") if following.get("type") == "function_call_output" else None
    return any(call["id"] == wanted for call in last.get("tool_calls", ()))


def _spoken(item: Body) -> str:
    content = item.get("content")
    return content if isinstance(content, str) else _texts(content)


def _shown(item: Body) -> list[str]:
    parts = (part for part in _maps(item.get("content")) if part.get("type") == "input_image")
    return [_base64(part["image_url"]) for part in parts if part.get("image_url")]


def _responses_tools(tools: Iterable[Body], *, newer: bool) -> list[dict[str, Any]]:
    """Tools, each schema with its keys sorted, as Go writes a map."""
    laid, searches = [], False
    for tool in tools:
        kind = _word(tool, "type")
        if newer and kind == "web_search":
            searches = True
            laid.append(_web_search("responses"))
        elif newer and kind == "namespace":
            laid += [
                _prefixed(inner, _word(tool, "name"))
                for inner in _responses_tools(_maps(tool.get("tools")), newer=True)
            ]
        else:
            laid.append(_function(tool, _sorted(tool.get("parameters"))) | {"type": kind})
    search = _web_search("responses")
    return [tool for tool in laid if not searches or tool["function"]["name"] != "web_search" or tool == search]


def _prefixed(tool: dict[str, Any], name: str) -> dict[str, Any]:
    function = tool["function"]
    if name and not function["name"].startswith(f"{name}."):
        function = {**function, "name": f"{name}.{function['name']}"}
    return {**tool, "function": function}


# ---- parts ---------------------------------------------------------------------------------------------------------


def _function(tool: Body, parameters: object) -> dict[str, Any]:
    """A tool as Ollama has it; without ``parameters`` where the request has none."""
    function: dict[str, Any] = {"name": _word(tool, "name"), "description": _word(tool, "description")}
    return {
        "type": "function",
        "function": function | ({"parameters": parameters} if isinstance(parameters, dict) else {}),
    }


def _web_search(api: str) -> dict[str, Any]:
    description, query = _WEB_SEARCH[api]
    properties = {"query": {"type": "string", "description": query}}
    schema = {"type": "object", "required": ["query"], "properties": properties}
    return _function({"name": "web_search", "description": description}, schema)


def _think(effort: object, *, newer: bool) -> bool | str | None:
    if not isinstance(effort, str) or not effort:
        return None
    return False if effort == "none" else _EFFORTS.get(effort, effort) if newer else effort


def _arguments(given: object) -> dict[str, Any]:
    """A call's arguments, which OpenAI sends as JSON in a string; none where they are not an object."""
    try:
        decoded = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _texts(content: object) -> str:
    """The texts of some parts, joined with nothing between; a string is itself."""
    if isinstance(content, str):
        return content
    kinds = ("text", "input_text", "output_text")
    return "".join(_word(part, "text") for part in _maps(content) if part.get("type") in kinds)


def _base64(url: object) -> str:
    return url.rpartition(",")[2] if isinstance(url, str) else ""


def _without_empty(message: Message) -> Message:
    return {name: value for name, value in message.items() if value or name in ("role", "content")}


def _word(mapping: Body, name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""


def _maps(value: object) -> list[Any]:
    """The objects of a list; an empty list for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
