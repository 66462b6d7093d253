"""The menu of ``innkeep menubar`` in the text format of SwiftBar and xbar: pure.

The first line is the title, ``---`` separates, ``--`` in front of a line puts it into a submenu, and behind ``|`` stand
parameters (``bash``, ``param1`` ..., ``href``). Source: xbar's plugin guide, which SwiftBar keeps to.
"""

from collections.abc import Iterator

from innkeep import wire
from innkeep.cli.table import cut
from innkeep.cli.units import clock, counted, gib, seconds, whole_seconds
from innkeep.language import _, translated

NAME = 24
"""Cells of a model's name in the title."""
HELD = "30m"


def menu(status: wire.Status, now: float, command: str) -> str:
    """The whole menu; ``command`` is the absolute path of ``innkeep``, which the entries run."""
    lines = [_title(status), "---", *_notices(status), *_models(status, now, command), *_queue(status)]
    lines += ["---", _memory(status), _hold(status, command)]
    if status.http:
        lines.append(_entry(_("Open the dashboard"), href=f"http://{_reachable(status.http)}/ui/"))
    return "\n".join([*lines, _entry(_("Refresh"), refresh="true")])


def menu_without_daemon(why: str, command: str) -> str:
    """The menu where the daemon does not answer."""
    start = _run(_("Start innkeepd"), command, "service", "start")
    return "\n".join(["innkeep ✕", "---", _text(why), start, _entry(_("Refresh"), refresh="true")])


def _title(status: wire.Status) -> str:
    waiting = f" ({len(status.waiting)})" if status.waiting else ""
    if not status.backend.reachable:
        return f"ollama ✕{waiting}"
    if status.held_until is not None:
        return f"⏸ innkeep{waiting}"
    loading = [one.model for one in status.changing if one.what == "loading"]
    if loading:
        return f"⟳ {_text(cut(loading[0], NAME))}{waiting}"
    names = [one.name for one in sorted(status.resident, key=lambda one: -one.footprint)]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return f"{_text(cut(names[0], NAME)) if names else 'innkeep'}{more}{waiting}"


def _notices(status: wire.Status) -> Iterator[str]:
    texts = [one.text for one in status.notices]
    yield from (_entry(f"⚠ {_text(translated(text))}", color="orange") for text in texts)
    if texts:
        yield "---"


def _models(status: wire.Status, now: float, command: str) -> Iterator[str]:
    for one in status.resident:
        words = [gib(one.footprint), _(one.weight)]
        words += [_("answers {number}", number=one.leases)] if one.leases else []
        if not one.leases and not one.pinned and one.expires is not None:
            words.append(_("unloads in {time}", time=seconds(max(0.0, one.expires - now))))
        words += [_("pinned")] if one.pinned else []
        yield f"{_text(one.name)}  {', '.join(words)}"
        yield "--" + _run(_("Unload"), command, "unload", one.name)
        yield "--" + (
            _run(_("Unpin"), command, "unpin", one.name) if one.pinned else _run(_("Pin"), command, "pin", one.name)
        )
    for change in status.changing:
        whole = f" / ~{whole_seconds(change.expected)}" if change.expected else ""
        yield f"{_(change.what)} {_text(change.model)}  {whole_seconds(change.elapsed)}{whole}"
    if not status.resident and not status.changing:
        yield _("no model is in memory")


def _queue(status: wire.Status) -> Iterator[str]:
    if not status.waiting:
        return
    yield "---"
    yield _("{requests} waiting", requests=counted(len(status.waiting), "request"))
    for one in sorted(status.waiting, key=lambda one: one.position or len(status.waiting)):
        by = f" ({_text(one.client)})" if one.client else ""
        yield f"--{_text(one.model)}  {whole_seconds(one.waited)}{by}"


def _memory(status: wire.Status) -> str:
    memory = status.memory
    text = _("{free} of {budget} free", free=gib(memory.available), budget=gib(memory.budget))
    return text if memory.pressure == "normal" else f"{text}, {_('pressure')} {_(memory.pressure)}"


def _hold(status: wire.Status, command: str) -> str:
    if status.held_until is None:
        return _run(_("Hold 30 min"), command, "hold", HELD)
    return _run(_("End the hold (until {time})", time=clock(status.held_until)), command, "resume")


def _reachable(http: str) -> str:
    """Where a browser of this machine finds the port, whatever it is bound to."""
    host, _mark, port = http.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "::", "[::]", "") else f"{host}:{port}"  # noqa: S104


# ---- the format ----------------------------------------------------------------------------------------------------


def _run(text: str, command: str, *words: str) -> str:
    """An entry that runs ``command`` without a terminal and draws the menu anew."""
    params = {f"param{number}": word for number, word in enumerate(words, start=1)}
    return _entry(text, bash=command, **params, terminal="false", refresh="true")


def _entry(text: str, **parameters: str) -> str:
    return f"{text} | {' '.join(f'{name}={_quoted(value)}' for name, value in parameters.items())}"


def _quoted(value: str) -> str:
    value = _text(value)
    return f'"{value}"' if " " in value else value


def _text(text: str) -> str:
    """Without what the format takes for its own: lines, ``|``, quotes, control characters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean.replace("|", "¦").replace('"', "'")
