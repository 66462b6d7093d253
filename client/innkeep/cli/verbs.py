"""Every verb and its one line, as data: ``innkeep --help`` imports none of their modules."""

from innkeep.language import later

GROUPS: dict[str, dict[str, str]] = {
    later("talk"): {
        "ask": later("ask a question; the answer streams to standard output"),
        "chat": later("have a conversation in the terminal"),
        "route": later("show where a prompt would go and why, without loading anything"),
    },
    later("look"): {
        "status": later("show what is in memory, who waits, what you have set"),
        "top": later("see memory, queue and requests live, and act by keys"),
        "watch": later("follow what happens, event by event"),
        "monitor": later("print a line each half minute about memory and the queue"),
        "menubar": later("print a menu for SwiftBar or xbar"),
        "history": later("list past requests, newest first"),
        "explain": later("show everything about one past request"),
        "feedback": later("say which role a past request should have had"),
        "routing": later("show what feedback taught the router, train it, undo that"),
        "bench": later("measure how fast the models are on this machine"),
        "stats": later("tell what routing would have changed"),
        "ping": later("check that the daemon answers, and how fast"),
    },
    later("models"): {
        "init": later("choose models for the roles from what is pulled"),
        "fit": later("tell whether a model fits this machine"),
        "pull": later("download a model, after telling whether it fits"),
        "models": later("list the models, or choose the one that answers"),
        "load": later("load a model into memory"),
        "unload": later("unload a model, or all of them"),
        "pin": later("keep a model in memory until it is unpinned"),
        "unpin": later("unpin a model"),
        "hold": later("free the memory for a while: unload everything, load nothing"),
        "resume": later("end a hold early"),
    },
    later("daemon"): {
        "config": later("check, locate or show the configuration"),
        "service": later("install, start and stop the daemon as a service"),
        "doctor": later("find out what is wrong and how to fix it"),
        "connect": later("configure Claude Code, Codex, aider and others for innkeep"),
        "openclaw": later("take OpenClaw's models over, or point OpenClaw to innkeep"),
        "reload": later("read the configuration again"),
        "shutdown": later("stop the daemon once running answers have ended"),
        "completion": later("print a completion script for your shell"),
    },
}
"""Heading -> verb -> one line, in the order of ``--help``."""

VERBS: dict[str, str] = {verb: line for group in GROUPS.values() for verb, line in group.items()}
"""Verb -> one line."""

DELEGATED: dict[str, tuple[str, ...]] = {
    "config": ("check", "path", "show"),
    "service": ("install", "uninstall", "start", "stop", "restart", "status", "logs", "print"),
    "doctor": (),
    "init": (),
    "fit": (),
    "pull": (),
    "connect": (
        "aider",
        "claude-code",
        "cline",
        "codex",
        "continue",
        "copilot",
        "gptme",
        "llm",
        "ollama",
        "open-webui",
        "openclaw",
        "opencode",
        "pi",
        "qwen-code",
    ),
    "openclaw": ("import", "export"),
}
"""Verbs of the daemon package and the words that may follow, for completion: they live beside what they configure."""

ALIASES: dict[str, tuple[str, ...]] = {
    "ps": ("status",),
    "ls": ("models", "list"),
    "list": ("models", "list"),
    "stop": ("unload",),
    "logs": ("service", "logs"),
    "restart": ("service", "restart"),
    "version": ("--version",),
}
"""What other tools call it -> our words. ``run MODEL [TEXT]`` is ``chat -m MODEL``, with a text ``ask -m MODEL``."""

GLOBAL_VALUES: tuple[str, ...] = ("--socket",)
"""Options that may stand before the verb and take a value."""
