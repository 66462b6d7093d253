"""The doctor's judgement of the machine's memory: Metal's limit, pressure and swap now. Pure."""

from innkeepd.policy.memory.budget import MIB, gib
from innkeepd.policy.model import GIB
from innkeepd.service.facts import Facts, Finding

LEAST_FOR_MACOS = 4 * GIB
"""What macOS and a browser need beside the models; a Metal limit that leaves less makes the machine stall."""


def check_metal(facts: Facts) -> Finding:
    """Metal's limit: where it comes from, and whether it leaves anything to the system."""
    reading, budget = facts.reading, facts.budget
    if reading is None or budget is None:
        return Finding("metal", "warning", "the memory could not be read", "no model can be judged", "innkeepd memory")
    if budget.gpu_limit is None:
        return Finding("metal", "ok", f"no Metal here; the budget is {gib(budget.bytes)}")
    saw = f"{gib(budget.gpu_limit)} of {gib(budget.total)} ({budget.gpu_limit_source}); budget {gib(budget.bytes)}"
    if reading.wired_limit_mb and budget.total - reading.wired_limit_mb * MIB < LEAST_FOR_MACOS:
        why = "macOS itself is left too little, and going over the limit fails answers instead of slowing them down"
        return Finding("metal", "warning", saw, why, "sudo sysctl iogpu.wired_limit_mb=0")
    return Finding("metal", "ok", saw)


def check_pressure(facts: Facts) -> Finding:
    """Memory pressure and swap now."""
    reading = facts.reading
    if reading is None:
        return Finding("pressure", "ok", "the memory could not be read")
    swap = reading.swap_used or 0
    free = "unknown" if reading.free_now is None else gib(reading.free_now)
    saw = f"{reading.pressure}; {gib(swap)} of swap used, {free} free as Ollama counts it"
    mend = "close other programs, or `innkeep unload --all`"
    if reading.pressure == "critical":
        return Finding("pressure", "error", saw, "no model is loaded until it falls", mend)
    if reading.pressure == "warning":
        return Finding("pressure", "warning", saw, "idle small models are unloaded, and answers get slow", mend)
    if reading.total and swap > reading.total // 4:
        return Finding(
            "pressure", "warning", saw, "a model whose pages are swapped answers at a tenth of its speed", mend
        )
    return Finding("pressure", "ok", saw)


MEMORY = (check_metal, check_pressure)
