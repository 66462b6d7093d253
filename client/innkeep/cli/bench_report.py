"""Results of ``innkeep bench`` as Markdown and as a picture (SVG): pure."""

import time
from collections.abc import Sequence
from html import escape

from innkeep.cli.bench_result import Bench, ModelResult, Run, expectation
from innkeep.cli.units import GIB

EARLIER = 5
"""Runs before this one that are shown of each model."""


def markdown(bench: Bench, earlier: Sequence[Bench] = ()) -> str:
    """Tables: each model, each prompt, beside the sketch's expectations, beside earlier runs of this machine."""
    blocks = [
        [_headline(bench)],
        _models(bench),
        _prompts(bench),
        _notes(bench),
        _expected(bench),
        _earlier(bench, earlier),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _headline(bench: Bench) -> str:
    label = " **A simulation: these figures are not a machine's.**" if bench.simulated else ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(bench.at))
    return f"{when}, {bench.machine}, {bench.total / GIB:.0f} GiB, Ollama {bench.ollama}.{label}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    line = "|".join(["", *("---" for _ in heads), ""])
    return [f"| {' | '.join(heads)} |", line, *(f"| {' | '.join(row)} |" for row in rows)] if rows else []


def _models(bench: Bench) -> list[str]:
    heads = ("model", "cold load", "swap", "unload", "first token", "prefill", "decode", "memory", "process")
    rows = [
        (
            one.model,
            _seconds(one.cold_load),
            _seconds(one.swap),
            _seconds(one.unload),
            _seconds(one.first_token),
            _rate(one.prefill),
            _rate(one.decode),
            _size(one.memory),
            _size(one.process),
        )
        for one in bench.results
    ]
    return _table(heads, rows)


def _prompts(bench: Bench) -> list[str]:
    heads = ("model", "language", "prompt", "first token", "prefill", "decode", "answer")
    rows = [(one.model, *_prompt(run)) for one in bench.results for run in one.runs]
    return _table(heads, rows)


def _prompt(run: Run) -> tuple[str, ...]:
    figures = (_seconds(run.first_token), _rate(run.prefill), _rate(run.decode))
    return (run.language, f"{run.prompt_tokens} tokens", *figures, f"{run.answer_tokens} tokens")


def _notes(bench: Bench) -> list[str]:
    return [f"- {one.model}: {note}" for one in bench.results for note in one.notes]


def _expected(bench: Bench) -> list[str]:
    heads = ("model", "the sketch expected", "measured", "is")
    rows: list[tuple[str, ...]] = []
    for one in bench.results:
        hope = expectation(one.parameters)
        if hope is None:
            continue
        first, decode = one.first_token, one.decode
        seconds_word = _against(first, hope.first_token, ("faster", "slower"))
        rate_word = _against(decode, hope.decode, ("slower", "faster"))
        rows.append((one.model, f"{_span(hope.first_token)} s", _seconds(first), seconds_word))
        rows.append((one.model, f"{_span(hope.decode)} tokens/s", _rate(decode), rate_word))
    if not rows and bench.results:
        return ["The sketch expected nothing of models of these sizes (it names 32B and 8B)."]
    return _table(heads, rows)


def _span(span: tuple[float, float]) -> str:
    return f"{span[0]:g}" if span[0] == span[1] else f"{span[0]:g} to {span[1]:g}"


def _against(value: float | None, span: tuple[float, float], words: tuple[str, str]) -> str:
    """What a value below and above the span is called; a tenth beside it is as expected."""
    if value is None:
        return "not measured"
    if value < span[0] * 0.9:
        return words[0]
    return words[1] if value > span[1] * 1.1 else "as expected"


def _earlier(bench: Bench, earlier: Sequence[Bench]) -> list[str]:
    heads = ("model", "when", "Ollama", "cold load", "first token", "prefill", "decode")
    rows: list[tuple[str, ...]] = []
    for one in bench.results:
        found = [(run, old) for run in earlier for old in run.results if old.model == one.model]
        for run, old in found[:EARLIER]:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.at))
            rows.append((one.model, when, run.ollama, *_compared(one, old)))
    return ["Earlier runs of this machine, and what has changed since:", "", *_table(heads, rows)] if rows else []


def _compared(new: ModelResult, old: ModelResult) -> tuple[str, str, str, str]:
    return (
        f"{_seconds(old.cold_load)}{_change(new.cold_load, old.cold_load)}",
        f"{_seconds(old.first_token)}{_change(new.first_token, old.first_token)}",
        f"{_rate(old.prefill)}{_change(new.prefill, old.prefill)}",
        f"{_rate(old.decode)}{_change(new.decode, old.decode)}",
    )


def _change(new: float | None, old: float | None) -> str:
    return "" if not new or not old else f" ({new / old - 1:+.0%} now)"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.1f} s"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} tokens/s"


def _size(value: int | None) -> str:
    if value is None:
        return "-"
    return f"{value / GIB:.1f} GiB" if value >= GIB // 10 else f"{value / 2**20:.0f} MiB"


# ---- the picture ---------------------------------------------------------------------------------------------------

_WIDTH, _LEFT, _ROW = 720, 220, 26


def svg(bench: Bench) -> str:
    """Bars of cold load, first token and decode, a group each; the sketch's expectation as a paler bar behind."""
    groups = (
        ("cold load, s", [(one.model, one.cold_load, None) for one in bench.results]),
        ("first token, s", [(one.model, one.first_token, _hoped(one, "first_token")) for one in bench.results]),
        ("decode, tokens/s", [(one.model, one.decode, _hoped(one, "decode")) for one in bench.results]),
    )
    parts: list[str] = []
    top = 40
    for title, bars in groups:
        parts.append(f'<text x="8" y="{top}" class="h">{escape(title)}</text>')
        whole = max([value for _, one, hope in bars for value in (one or 0.0, hope[1] if hope else 0.0)] + [1e-9])
        for model, value, hope in bars:
            top += _ROW
            parts += _svg_bar(model, value, hope, whole, top)
        top += 2 * _ROW
    style = "text{font:13px sans-serif;fill:#222}.h{font-weight:bold}@media(prefers-color-scheme:dark){text{fill:#ddd}}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}">'
    title = f'<text x="8" y="18">{escape(_headline(bench).replace("*", ""))}</text>'
    return "\n".join([head, f"<style>{style}</style>", title, *parts, "</svg>", ""])


def _hoped(one: ModelResult, name: str) -> tuple[float, float] | None:
    hope = expectation(one.parameters)
    return None if hope is None else getattr(hope, name)


def _svg_bar(model: str, value: float | None, hope: tuple[float, float] | None, whole: float, top: int) -> list[str]:
    scale = (_WIDTH - _LEFT - 100) / whole
    parts = [f'<text x="8" y="{top}">{escape(model)}</text>']
    if hope is not None:
        left, wide = _LEFT + hope[0] * scale, max(2.0, (hope[1] - hope[0]) * scale)
        parts.append(
            f'<rect x="{left:.1f}" y="{top - 16}" width="{wide:.1f}" height="20" fill="#d9a441" opacity="0.5"/>'
        )
    if value is not None:
        parts.append(f'<rect x="{_LEFT}" y="{top - 13}" width="{value * scale:.1f}" height="14" fill="#3b7dd8"/>')
        parts.append(f'<text x="{_LEFT + value * scale + 6:.1f}" y="{top}">{value:.2f}</text>')
    return parts
