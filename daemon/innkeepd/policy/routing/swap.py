"""When a doubtful prompt stays with a model in memory instead of paying a swap for the likelier role."""

import math
from collections.abc import Mapping

from msgspec import structs

from innkeepd.policy.routing.router import Route

__all__ = ["margin", "without_swap"]

A_DOUBLING, FIRST, MOST = 0.5, 10.0, 1.5


def margin(price: float) -> float:
    """By how much log-odds the likelier role must lead to be worth a swap of ``price`` seconds.

    Half a point for each doubling of 1 + price / 10 s: 0.5 at 10 s, 1 at 30 s, and never more than 1.5 (70 s), at which
    the likelier role is four and a half times as likely.
    """
    return min(MOST, A_DOUBLING * math.log2(1 + max(0.0, price) / FIRST))


def without_swap(route: Route, resident: Mapping[str, str], price: float) -> Route:
    """``route``, or the likeliest role of ``resident`` (role -> its model in memory) that is within the margin.

    A turn too short to tell keeps its session's role; an errand goes to whoever is in memory.
    """
    unsure = route.is_errand or any(route.scores.values())
    if route.role in resident or not resident or not unsure:
        return route
    role = max(sorted(resident), key=lambda name: route.scores.get(name, -math.inf))
    lead = route.scores[route.role] - route.scores.get(role, -math.inf)
    if lead >= margin(price):
        return route
    if route.is_errand:
        reason = f"{route.reason}; {resident[role]} is in memory"
    else:
        reason = (
            f"{resident[role]} is in memory; {route.role} is hardly likelier and costs a swap of about {price:.0f} s "
            f"({route.reason})"
        )
    return structs.replace(route, role=role, confidence=route.shares.get(role, route.confidence), reason=reason)
