"""``doctor --report``: everything for a bug report in one file, and nothing that is nobody's business.

Two nets. First, only what is named goes in: findings, the configuration as ``config show`` prints it (secrets
starred), Ollama's settings out of an allow-list, the memory's numbers, and of the log only fields that never hold a
prompt. Then the whole text is searched once more for the home folder, the secrets that we know and everything that
looks like one.
"""

import json
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from innkeepd.config.schema import Config
from innkeepd.config.show import show
from innkeepd.machine.report import QUANTITIES
from innkeepd.service.errors import ServiceFault
from innkeepd.service.facts import Facts, Finding
from innkeepd.service.files import tail
from innkeepd.service.launchctl import Runner

LOG_LINES = 200
LOG_FIELDS = (
    "timestamp", "level", "event", "request", "id", "role", "model", "code", "outcome", "waited", "swap", "ttft",
    "first_token", "tokens", "seconds", "total", "pid", "pressure", "kind", "what",
)  # fmt: skip
"""Fields of the log that name or count; messages and texts are not among them."""

_SECRET = re.compile(
    r"(?i)((?:authorization|bearer|token|api[-_]?key|password|secret)[\"']?\s*[=: ]\s*[\"']?)(?!\*\*\*)[^\s\"',}]{4,}"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',}]{4,}")
_KEY = re.compile(r"\b(?:sk|pk|ghp|gho|hf|xox[bp])[-_][A-Za-z0-9_-]{8,}")
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")


RECORDED = (
    ("sw_vers",),
    ("uname", "-mrs"),
    ("vm_stat",),
    ("memory_pressure", "-Q"),
    ("sysctl", "hw.memsize", "hw.pagesize", "hw.optional.arm64", "vm.swapusage"),
    ("sysctl", "kern.memorystatus_level", "kern.memorystatus_vm_pressure_level", "iogpu"),
    (
        *("sysctl", "vm.page_free_count", "vm.page_speculative_count", "vm.page_wire_count", "vm.page_purgeable_count"),
        *("vm.page_pageable_external_count", "vm.page_pageable_internal_count", "vm.compressor_bytes_used"),
    ),
    ("launchctl", "limit"),
    ("launchctl", "managername"),
    ("pmset", "-g", "batt"),
)
"""What a Mac is asked for a report, so that one user's file becomes a recording; as ``packaging/launchd/record.sh``."""

_ENVIRONMENT = re.compile(r"^\t*(?:inherited |default )?environment = \{\n.*?^\t*\}\n", re.MULTILINE | re.DOTALL)


def recordings(run: Runner, target: str | None = None) -> dict[str, str]:
    """What this Mac's own commands print, by command; ``target`` is our job. A command that fails says so.

    ``launchctl print`` shows the session's variables, which may be secrets: they are left out.
    """
    entry = {}
    for command in (*RECORDED, *([("launchctl", "print", target)] if target else [])):
        try:
            done = run(command)
        except ServiceFault as fault:
            entry[" ".join(command)] = f"# {fault}"
            continue
        text = _ENVIRONMENT.sub("", done.stdout)
        entry[" ".join(command)] = text if done.returncode == 0 else f"{text}# exit status {done.returncode}"
    return entry


def report(
    facts: Facts,
    findings: Sequence[Finding],
    *,
    version: str,
    user_home: Path,
    logs: Sequence[Path],
    recorded: Mapping[str, str] | None = None,
) -> str:
    """The report as text."""
    parts = [
        ("innkeep doctor", f"innkeepd {version}, Python {platform.python_version()}, {platform.platform()}"),
        ("findings", _json(msgspec.to_builtins(findings))),
        ("configuration", show(facts.config) if not facts.config_fault else facts.config_fault),
        ("service", _json(_view(facts))),
        ("socket", _json(msgspec.to_builtins(facts.socket) | {"descriptors": facts.descriptors})),
        ("ollama", _json(_ollama(facts))),
        ("memory", _json(_memory(facts))),
        ("verdicts", _json(facts.verdicts)),
        *((command, text.rstrip("\n")) for command, text in (recorded or {}).items()),
        *((path.name, "\n".join(log_lines(path))) for path in logs),
    ]
    text = "\n\n".join(f"== {title} ==\n{content}" for title, content in parts) + "\n"
    return scrub(text, user_home, secrets(facts.config))


def log_lines(path: Path) -> list[str]:
    """The last lines of a log: of a JSON line only ``LOG_FIELDS``, of a traceback only where and which error."""
    kept = []
    for line in tail(path, LOG_LINES):
        try:
            entry: Any = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            kept.append(json.dumps({key: entry[key] for key in LOG_FIELDS if key in entry}, ensure_ascii=False))
        elif found := re.match(
            r"\s*File \".*\", line \d+, in \S+|[A-Za-z_.]+(?:Error|Exception|Fault|Interrupt)\b", line
        ):
            kept.append(found[0])
    return kept


def secrets(config: Config) -> list[str]:
    """Every secret that the configuration holds."""
    return [text for text in (config.http.token, *(backend.token for backend in config.backends)) if text]


def scrub(text: str, user_home: Path, known: Iterable[str]) -> str:
    """The text without the home folder, the known secrets, and what looks like a secret."""
    for secret in known:
        text = text.replace(secret, "***")
    text = text.replace(str(user_home), "~") if str(user_home) != "/" else text
    text = _BEARER.sub(r"\1 ***", text)
    text = _SECRET.sub(r"\1***", text)
    return _USER_IN_URL.sub("***@", _KEY.sub("***", text))


def _view(facts: Facts) -> dict[str, Any]:
    if facts.view is None:
        return {"fault": facts.view_fault}
    entry: dict[str, Any] = msgspec.to_builtins(facts.view)
    entry.pop("last_words")  # crash.log comes below, without its messages
    return entry


def _ollama(facts: Facts) -> dict[str, Any]:
    ollama = facts.ollama
    return {
        "url": ollama.url,
        "reachable": ollama.reachable,
        "version": ollama.version,
        "fault": ollama.fault,
        "started_by": ollama.launcher,
        "settings": ollama.environment,
        "pulled": [{"name": model.name, "size": model.size, "parameters": model.parameters} for model in ollama.pulled],
        "running": msgspec.to_builtins(ollama.running),
    }


def _memory(facts: Facts) -> dict[str, Any]:
    reading = facts.reading
    names = (*QUANTITIES, "pressure", "source", "wired_limit_mb", "gpu_limit", "gpu_limit_source") if reading else ()
    entry = {name: getattr(reading, name) for name in names}
    return entry | {"budget": msgspec.to_builtins(facts.budget), "system": sys.platform}


def _json(what: Any) -> str:
    return json.dumps(what, ensure_ascii=False, indent=1, default=str)
