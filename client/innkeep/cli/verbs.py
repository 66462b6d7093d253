"""Every verb and its one line, as data: ``innkeep --help`` imports none of their modules."""

GROUPS: dict[str, dict[str, str]] = {
    "talk": {
        "ask": "ask a question; the answer streams to standard output",
        "chat": "have a conversation in the terminal",
        "route": "show where a prompt would go and why, without loading anything",
    },
    "look": {
        "status": "show what is in memory, who waits, what you have set",
        "top": "see memory, queue and requests live, and act by keys",
        "watch": "follow what happens, event by event",
        "monitor": "print a line each half minute about memory and the queue",
        "history": "list past requests, newest first",
        "explain": "show everything about one past request",
        "feedback": "say which role a past request should have had",
        "routing": "show what feedback taught the router, train it, undo that",
        "bench": "measure how fast the models are on this machine",
        "stats": "tell what routing would have changed",
        "ping": "check that the daemon answers, and how fast",
    },
    "models": {
        "init": "choose models for the roles from what is pulled",
        "fit": "tell whether a model fits this machine",
        "pull": "download a model, after telling whether it fits",
        "models": "list the models, or choose the one that answers",
        "load": "load a model into memory",
        "unload": "unload a model, or all of them",
        "pin": "keep a model in memory until it is unpinned",
        "unpin": "unpin a model",
        "hold": "free the memory for a while: unload everything, load nothing",
        "resume": "end a hold early",
    },
    "daemon": {
        "config": "check, locate or show the configuration",
        "service": "install, start and stop the daemon as a service",
        "doctor": "find out what is wrong and how to fix it",
        "openclaw": "connect OpenClaw to innkeep",
        "reload": "read the configuration again",
        "shutdown": "stop the daemon once running answers have ended",
        "completion": "print a completion script for your shell",
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
