"""Decides when a prompt of low confidence goes to a model in memory instead of waiting for a swap."""

import math
from collections.abc import Mapping

from msgspec import structs

from innkeepd.policy.routing.router import Route

__all__ = ["margin", "without_swap"]

A_DOUBLING, FIRST, MOST = 0.5, 10.0, 1.5


def margin(price: float) -> float:
    """The lead in log-odds that the likeliest role needs to be worth a swap of ``price`` seconds.

    Half a point for each doubling of 1 + price / 10 s: 0.5 at 10 s, 1 at 30 s, at most 1.5 (from 70 s on), where the
    likeliest role is four and a half times as likely as the other.
    """
    return min(MOST, A_DOUBLING * math.log2(1 + max(0.0, price) / FIRST))


def without_swap(route: Route, resident: Mapping[str, str], price: float) -> Route:
    """``route``, or the likeliest role of ``resident`` (role -> its model in memory) if it is within the margin.

    A turn without evidence keeps its session's role; an errand goes to a model in memory.
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
