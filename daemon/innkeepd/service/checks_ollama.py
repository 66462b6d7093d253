"""The doctor's judgement of Ollama: reachable, its settings, the models of the roles, who speaks with it. Pure."""

from collections.abc import Callable, Mapping

from innkeep.units import seconds
from innkeepd.backends.ollama_proved import PROVED, unproved
from innkeepd.clients.table import client_of
from innkeepd.config.address import is_loopback, ollama_url
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.memory.context import footprints
from innkeepd.policy.model import GIB, canonical
from innkeepd.service.facts import Facts, Finding, Launcher

LONG = 3600.0
"""Seconds of keep-alive from which on a model that another program loads is as good as pinned."""

CONTEXT_FROM = 23 * GIB
LARGE_CONTEXT_FROM = 47 * GIB
"""Metal memory from which on Ollama by itself takes a context of 32768 and 262144 (``server/routes.go``)."""

INIT = "innkeep init"
"""Chooses from what is pulled, or names what to pull that fits."""


def check_ollama(facts: Facts) -> Finding:
    """Whether Ollama answers."""
    ollama = facts.ollama
    if ollama.is_simulated:
        why = "answers are simulated; the checks below don't describe a real Ollama"
        mend = "innkeep shutdown, then `innkeepd run` without --simulate"
        return Finding("ollama", "warning", f"the daemon simulates one at {ollama.url}", why, mend)
    if ollama.reachable and (text := unproved(ollama.version)) is not None:
        why = "its error texts and behaviour may differ from what innkeep knows"
        mend = (
            f"nothing, unless something goes wrong; then report it with `innkeep doctor --report`, or use {PROVED[-1]}"
        )
        return Finding("ollama", "warning", f"{text} (at {ollama.url})", why, mend)
    if ollama.reachable:
        return Finding("ollama", "ok", f"version {ollama.version} at {ollama.url}")
    mend = (
        "open the Ollama app, or `brew services start ollama`; if it listens elsewhere, set [ollama] url"
        if facts.platform == "darwin"
        else "`ollama serve`; if it listens elsewhere, set [ollama] url"
    )
    why = "the daemon has no models without it"
    return Finding("ollama", "error", f"no answer at {ollama.url} ({ollama.fault})", why, mend)


def check_keep_alive(facts: Facts) -> Finding:
    """OLLAMA_KEEP_ALIVE: how long what other programs load stays."""
    value = _value(facts, "OLLAMA_KEEP_ALIVE")
    if value is None:
        return _unset(facts, "keep_alive", "OLLAMA_KEEP_ALIVE", "5 minutes")
    try:
        long = value.strip().startswith("-") or seconds(value) >= LONG
    except ValueError:
        long = False
    if not long:
        return Finding("keep_alive", "ok", f"OLLAMA_KEEP_ALIVE={value}")
    why = "what other programs load stays in memory as if it were pinned, and innkeep has to unload it each time"
    return _against(facts, "keep_alive", "OLLAMA_KEEP_ALIVE", value, why)


def check_max_loaded(facts: Facts) -> Finding:
    """OLLAMA_MAX_LOADED_MODELS: 1 forbids the light model beside the heavy one."""
    value = _value(facts, "OLLAMA_MAX_LOADED_MODELS")
    if value is None:
        return _unset(facts, "max_loaded", "OLLAMA_MAX_LOADED_MODELS", "3 for each GPU")
    if value.strip() != "1":
        return Finding("max_loaded", "ok", f"OLLAMA_MAX_LOADED_MODELS={value}")
    why = "Ollama itself then evicts the 32B for every request to a small model, behind innkeep's back"
    return _against(facts, "max_loaded", "OLLAMA_MAX_LOADED_MODELS", value, why)


def check_parallel(facts: Facts) -> Finding:
    """OLLAMA_NUM_PARALLEL: multiplies the KV cache, and is what `parallel` of the configuration should say."""
    value = _value(facts, "OLLAMA_NUM_PARALLEL")
    promised = {name: model.parallel for name, model in facts.config.models.items() if model.parallel > 1}
    slots = int(value) if value and value.strip().isdecimal() and len(value) < 6 and int(value) else 1
    if facts.ollama.environment is not None and (over := [name for name, most in promised.items() if most > slots]):
        found = f"`parallel` of {', '.join(over)} is more than Ollama answers at once ({slots})"
        mend = (
            f"set OLLAMA_NUM_PARALLEL={max(promised.values())} for Ollama, or take `parallel` out of the configuration"
        )
        return Finding("parallel", "warning", found, "innkeepd grants no more than Ollama answers", mend)
    if value is None:
        return _unset(facts, "parallel", "OLLAMA_NUM_PARALLEL", "1")
    if slots == 1 or (promised and all(most == slots for most in promised.values())):
        return Finding("parallel", "ok", f"OLLAMA_NUM_PARALLEL={value}")
    why = (
        f"each model's KV cache takes {value} times the memory; innkeepd counts that, and grants one request at a time "
        f'unless `parallel = {slots}` is set under [models."NAME"]'
    )
    return _against(facts, "parallel", "OLLAMA_NUM_PARALLEL", value, why)


def check_context(facts: Facts) -> Finding:
    """OLLAMA_CONTEXT_LENGTH, or the context that Ollama chooses by itself for who asks it directly."""
    value = _value(facts, "OLLAMA_CONTEXT_LENGTH")
    limit = facts.budget.gpu_limit if facts.budget and facts.budget.gpu_limit else 0
    own = 262144 if limit >= LARGE_CONTEXT_FROM else 32768 if limit >= CONTEXT_FROM else 4096
    tokens = int(value) if value and value.strip().isdecimal() else 0
    large = [
        f"{each.name} at {each.context}"
        for each in facts.ollama.running
        if (each.context or 0) > max(16384, _largest(facts, each.name))
    ]
    if large:
        return Finding(
            "context",
            "warning",
            f"in memory now: {', '.join(large)}",
            "a 32B at 32768 tokens takes 27 GB instead of 20",
            "innkeep brings it to its own context at the next request; point the program that asked for it at innkeep",
        )
    if tokens > 8192:
        why = "a program that asks Ollama directly reloads the model at that size: 256 KiB a token for a 32B"
        return _against(facts, "context", "OLLAMA_CONTEXT_LENGTH", value or "", why)
    chosen = f"OLLAMA_CONTEXT_LENGTH={value}" if tokens else f"unset: Ollama by itself takes {own}"
    return Finding("context", "ok", f"{chosen}; innkeep sends its own with every request")


def check_kv_cache(facts: Facts) -> Finding:
    """OLLAMA_KV_CACHE_TYPE: what the arithmetic has to know."""
    value, counted = _value(facts, "OLLAMA_KV_CACHE_TYPE"), facts.policy.cache_type
    if value is None or value == counted:
        return Finding("kv_cache", "ok", f"{value or counted}: 256 KiB a token for a 32B in f16, 0.53 of it in q8_0")
    saw = f"OLLAMA_KV_CACHE_TYPE={value}"
    if value in ("q8_0", "q4_0"):
        return Finding("kv_cache", "ok", f"{saw}: models take less than innkeep expects until it has seen them loaded")
    return _against(facts, "kv_cache", "OLLAMA_KV_CACHE_TYPE", value, "models take more than innkeep expects")


def check_prompt_cache(facts: Facts) -> Finding:
    """LLAMA_ARG_CACHE_RAM: how much each runner keeps of old conversations, uncounted by Ollama (since 0.30)."""
    if facts.ollama.environment is None:
        return _unset(facts, "prompt_cache", "LLAMA_ARG_CACHE_RAM", "")
    value = _value(facts, "LLAMA_ARG_CACHE_RAM")
    costs = "an older conversation is then read again instead of being remembered"
    if value is None:
        saw = (
            "LLAMA_ARG_CACHE_RAM is unset: since 0.30 each runner keeps up to 8 GiB of old conversations beyond what "
            f"/api/ps tells; innkeep weighs them. In Ollama's environment it caps them, in MiB (0: none); {costs}"
        )
        return Finding("prompt_cache", "ok", saw)
    if not value.strip().startswith("-"):
        return Finding("prompt_cache", "ok", f"LLAMA_ARG_CACHE_RAM={value} MiB for each runner; {costs}")
    why = "each runner keeps old conversations without limit, until innkeep has to reload it"
    return _against(facts, "prompt_cache", "LLAMA_ARG_CACHE_RAM", value, why)


def check_orphans(facts: Facts) -> Finding:
    """Whether runners of an Ollama that was killed still hold memory."""
    if not facts.orphans:
        return Finding("orphans", "ok", "no runner of a killed Ollama holds memory")
    held = ", ".join(
        f"{one.name} (pid {one.pid}, {'size unknown' if one.total is None else gib(one.total)})"
        for one in facts.orphans
    )
    why = "Ollama has lost track of them, so nothing ever unloads them, and models are loaded beside them"
    mend = "kill " + " ".join(str(one.pid) for one in facts.orphans)
    return Finding("orphans", "warning", f"left over from an Ollama that was killed: {held}", why, mend)


def check_models(facts: Facts) -> Finding:
    """Whether the models of the roles are pulled. One that never fits is no reason to pull it (``never_fits``)."""
    if facts.config_fault:
        return Finding("models", "ok", "not judged: the configuration, which names them, is broken")
    if not facts.ollama.reachable:
        return Finding(
            "models", "warning", "not known while Ollama is down", "missing models can't be listed", "ollama serve"
        )
    pulled = {canonical(model.name) for model in facts.ollama.pulled}
    here = {
        role: [canonical(each) for each in _chain(facts, role)] for role in facts.config.roles if _chain(facts, role)
    }
    missing = sorted({name for names in here.values() for name in names if name not in pulled} - _never(facts))
    bare = [role for role, names in here.items() if not any(name in pulled for name in names)]
    if not missing and not bare:
        return Finding("models", "ok", f"{len(pulled)} pulled; every role has its models")
    mend = " && ".join(f"ollama pull {name}" for name in missing)
    if bare:
        why = "every chat of such a role is refused, or another model stands in"
        return Finding("models", "error", f"nothing is pulled for {', '.join(bare)}", why, INIT)
    return Finding("models", "warning", f"not pulled: {', '.join(missing)}", "their fallbacks answer instead", mend)


def check_never_fits(facts: Facts) -> Finding:
    """Whether a role names a model that this machine can never hold."""
    if facts.config_fault:
        return Finding("never_fits", "ok", "not judged: the configuration, which names them, is broken")
    never = sorted(_never(facts) & {canonical(n) for role in facts.config.roles for n in _chain(facts, role)})
    if not never:
        return Finding("never_fits", "ok", "every model of the roles fits this machine by itself")
    reasons = {str(line["name"]): str(line["reason"]).partition(". ")[0] for line in facts.verdicts}
    stuck = {name: role for name, role in facts.config.roles.items() if canonical(role.primary) in never}
    instead = {name: next(iter(_fitting(facts, name)), None) for name in stuck}
    mend = (
        " && ".join(f"innkeep models set {model} --role {name}" for name, model in instead.items())
        if None not in instead.values()
        else INIT
    )
    why = "innkeep refuses it at once and takes the next candidate; Ollama would unload everything else, then fail"
    saw = "; ".join(reasons[name] for name in never)
    return Finding("never_fits", "warning", saw, why, mend or f"take {', '.join(never)} out of the fallbacks")


def check_foreign(facts: Facts) -> Finding:
    """Whether other programs speak with Ollama past innkeep."""
    if facts.direct is None:
        return Finding("direct", "ok", "this system doesn't show who is connected to Ollama")
    if not facts.direct:
        return Finding("direct", "ok", "no program talks to Ollama directly right now")
    names = ", ".join(f"{one.name} (pid {one.pid})" for one in facts.direct)
    port = facts.config.http.port
    known = {client for one in facts.direct if (client := client_of(one.name))}
    mend = f"point them at http://127.0.0.1:{port} (OLLAMA_HOST=127.0.0.1:{port} for that program only)"
    if known:
        mend = " && ".join(f"innkeep connect {client}" for client in sorted(known))
    saw = f"connected to Ollama directly: {names}"
    return Finding("direct", "warning", saw, _PAST_US, mend)


_PAST_US = "what they load comes beside innkeep's models, at another context"


def check_clients(facts: Facts) -> Finding:
    """Whether the configuration of a client that innkeep knows leads to Ollama past innkeep."""
    if not facts.asking_ollama:
        return Finding("clients", "ok", "no configuration file of a known client names Ollama's own port")
    named = ", ".join(f"{client} ({file})" for client, file in facts.asking_ollama)
    names = dict.fromkeys(client for client, _ in facts.asking_ollama)
    mend = " && ".join(f"innkeep connect {client} --write" for client in names)
    return Finding("clients", "warning", f"configured for Ollama directly: {named}", _PAST_US, mend)


def check_exposure(facts: Facts) -> Finding:
    """Whether Ollama listens to other machines, past innkeep's port and token."""
    value = _value(facts, "OLLAMA_HOST")
    host = (value or "").partition("://")[2] or (value or "")
    try:
        wide = bool(value) and ("0.0.0.0" in host or "::" in host or not is_loopback(_host(host)))  # noqa: S104
    except ValueError:
        wide = False
    if not wide:
        seen = facts.ollama.environment is not None
        return Finding("exposure", "ok", "Ollama listens to this machine only" if seen else "OLLAMA_HOST can't be seen")
    why = "other machines can use, load and delete models without innkeep and without a token"
    return _against(facts, "exposure", "OLLAMA_HOST", value or "", why)


def _host(text: str) -> str:
    return ollama_url(text).split("://")[1].rsplit(":", 1)[0]


def _chain(facts: Facts, role: str) -> list[str]:
    """The role's candidates that live on this machine."""
    return [name for name in facts.config.roles[role].chain if facts.config.backend_of(name) is None]


def _never(facts: Facts) -> set[str]:
    return {str(line["name"]) for line in facts.verdicts if line["fit"] == "never"}


def _fitting(facts: Facts, role: str) -> list[str]:
    """The role's candidates that this machine can hold, best first."""
    return [name for each in _chain(facts, role) if (name := canonical(each)) not in _never(facts)]


def _largest(facts: Facts, name: str) -> int:
    """Tokens that innkeep itself may have this model loaded with; 0: none that we know."""
    chosen = {str(line["name"]): line["context"] for line in facts.verdicts}.get(canonical(name))
    model = next((each for each in facts.ollama.pulled if canonical(each.name) == canonical(name)), None)
    if model is None or facts.budget is None or not isinstance(chosen, int):
        return 0
    return footprints(model, chosen, facts.budget.bytes, facts.policy)[-1][0]


def _value(facts: Facts, name: str) -> str | None:
    return (facts.ollama.environment or {}).get(name) or None


def _unset(facts: Facts, check: str, name: str, default: str) -> Finding:
    if facts.ollama.environment is None:
        return Finding(check, "ok", f"{name} can't be seen (Ollama isn't running here, or under another user)")
    return Finding(check, "ok", f"{name} is unset ({default})")


def _against(facts: Facts, check: str, name: str, value: str, why: str) -> Finding:
    if name in facts.ollama.app_settings and facts.ollama.launcher in ("app", "unknown"):
        mend = f"the Ollama app's own Settings (they win over the environment): {_IN_APP.get(name, name)}"
        return Finding(check, "warning", f"{name}={value}", why, mend)
    return Finding(check, "warning", f"{name}={value}", why, _MENDS[facts.ollama.launcher](name))


_IN_APP = {
    "OLLAMA_HOST": "`Expose Ollama to the network` off",
    "OLLAMA_CONTEXT_LENGTH": "a smaller context length",
    "OLLAMA_MODELS": "the model location",
}


def _homebrew(name: str) -> str:
    if name in _FORMULAS_OWN:
        return f"an own LaunchAgent without {name} (docs/drop-in.md): brew writes its plist anew at each start"
    return f"`brew services restart ollama`: brew writes its plist anew, without {name}"


_FORMULAS_OWN = ("OLLAMA_FLASH_ATTENTION", "OLLAMA_KV_CACHE_TYPE")
"""What the formula itself sets; an edit of the plist does not outlive `brew services start`."""


_MENDS: Mapping[Launcher, Callable[[str], str]] = {
    "app": lambda name: f"launchctl unsetenv {name}, then quit and open the Ollama app",
    "homebrew": _homebrew,
    "service": lambda name: f"systemctl edit ollama (take {name} out), then systemctl restart ollama",
    "shell": lambda name: f"unset {name}, then start `ollama serve` again",
    "unknown": lambda name: f"start Ollama without {name}",
}
"""How a variable is taken away, by who started Ollama: the app and Homebrew get theirs from different paths."""

OLLAMA: tuple[Callable[[Facts], Finding], ...] = (
    check_ollama,
    check_models,
    check_never_fits,
    check_keep_alive,
    check_max_loaded,
    check_parallel,
    check_context,
    check_kv_cache,
    check_prompt_cache,
    check_orphans,
    check_exposure,
    check_foreign,
    check_clients,
)
