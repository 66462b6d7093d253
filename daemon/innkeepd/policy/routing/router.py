"""Which role a prompt is for: coding, reasoning or general, and why.

    text -> the user's own words -> rules (keywords, words, shapes) and the trained classifier -> scores -> the highest

A keyword that the user configured decides. Otherwise the rules' evidence and the classifier's log-odds are added. The
caller reads the classifier's weights (nothing here reads files); without a classifier the rules decide alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from innkeepd.policy.routing.classifier import ROLES, Classifier
from innkeepd.policy.routing.conversation import follows_up, is_errand, own_words, tool_role
from innkeepd.policy.routing.correction import Correction, sketch
from innkeepd.policy.routing.features import Features, features
from innkeepd.policy.routing.rules import Evidence, Rules, added_up

__all__ = ["ROLES", "Route", "Router"]

SHARE = 0.5
"""Factor of the rules' scores, which are added to the classifier's log-odds. Macro-F1 on two batches that neither had
seen, by the student without them: 0.908 alone, 0.928 with this share (``blind2``); 0.917 and 0.946 (``blind``)."""

BARE, BARE_SHARE = 16, 1.5
"""In a text of at most so many characters the classifier has few features, so the rules count more."""

DECISIVE = 20.0
"""Log-odds that a keyword of the user's adds: more than anything else can."""

PRIOR = {"general": 0.55}
"""Log-odds that are added where the rules decide alone."""

EARLIER = (0.3, 0.15)
"""Factors of the scores of the user turns before the last one, the nearest first."""

EARLIER_READ = 300
"""Characters that are read of an earlier turn."""

SHORT, STAY, STAY_SHORT, STAY_BARE = 40, 0.5, 2.4, 6.0
"""Log-odds for a session's role so far: in any turn, in one of at most ``SHORT`` characters, and in one of at most
``BARE`` or a short one that begins like a follow-up ("what about ...")."""

TOOL = 12.0
"""Log-odds that the last tool which an agent called gives to its role: more than most words do."""

FAINT = 1.0
"""Where the rules decide alone, a short turn in which no role has this much evidence keeps the session's role."""


class Route(Struct, frozen=True):
    """The answer: ``confidence`` from 0 to 1, ``reason`` one line that names the evidence, ``scores`` by role.

    ``shares``: the confidence of each role.
    ``is_errand``: a request of the client's own (a title, tags), which does not change the session's role.
    ``sketch`` and ``plain``: the last turn's hashed features and its scores without correction, for later feedback.
    """

    role: str
    confidence: float
    reason: str
    scores: dict[str, float]
    is_errand: bool = False
    shares: dict[str, float] = field(default_factory=dict)
    sketch: tuple[int, ...] = ()
    plain: tuple[float, float, float] = (0.0, 0.0, 0.0)


class Router:
    """Chooses a role by configured keywords, built-in rules and the trained ``classifier``.

    ``keywords``: words by role. ``ignore``: phrases in which no word counts. ``sticky``: whether a session's role so
    far adds to its score. ``correction``: fitted to the user's feedback; it may be replaced at any time.
    """

    def __init__(
        self,
        keywords: Mapping[str, Sequence[str]],
        ignore: Iterable[str] = (),
        *,
        sticky: bool = True,
        classifier: Classifier | None = None,
        correction: Correction | None = None,
    ) -> None:
        self.correction = correction
        self._sticky = sticky
        self._rules = Rules(keywords, ignore)
        self._classifier = classifier

    def __repr__(self) -> str:
        return f"Router({len(self._rules)} keywords)"

    def route(self, turns: str | Sequence[str], *, previous: str | None = None, tools: Sequence[str] = ()) -> Route:
        """The role for the last of the user's ``turns`` (oldest first).

        ``previous``: the session's role so far; ``tools``: names of the tools that were called, oldest first.
        """
        texts = [turns] if isinstance(turns, str) else list(turns[-3:])
        if texts and is_errand(texts[-1]):
            return Route(
                "general",
                0.9,
                "a title, tags or the like for the client itself",
                dict.fromkeys(ROLES, 0.0),
                is_errand=True,
            )
        texts = [words for text in texts if (words := own_words(text))]
        last = texts[-1] if texts else ""
        found = self._rules.evidence(last)
        evidence = added_up(found)
        follows = self._sticky and previous in ROLES and len(last) <= SHORT
        tool = tool_role(tools)
        if self._classifier is None and follows and tool is None and max(evidence.values()) < FAINT:
            return Route(str(previous), 0.5, f"too short to tell; stays {previous}", dict.fromkeys(ROLES, 0.0))
        seen = features(last) if self._classifier is not None and last.strip() else None
        kept = sketch(seen.body) if seen else ()
        plain = self._scores(last, seen, found, evidence)
        scores = self._corrected(plain, kept)
        before = dict.fromkeys(ROLES, 0.0)
        for share, text in zip(EARLIER, reversed(texts[:-1]), strict=False):
            for role, score in self._earlier(text[:EARLIER_READ]).items():
                before[role] += share * score
        scores_after = {role: score + before[role] for role, score in scores.items()}
        if self._sticky and previous in ROLES:
            scores_after[str(previous)] += self._stay(last)
        if tool is not None:
            scores_after[tool] += TOOL
        role = max(ROLES, key=lambda name: (scores_after[name], name == "general"))
        leaned = scores[role] < max(scores.values())
        reason = f"calls {tools[-1]}" if leaned and tool == role else self._reason(role, found, leaned=leaned)
        shares = self._shares(scores_after)
        return Route(role, shares[role], reason, scores_after, shares=shares, sketch=kept, plain=_in_order(plain))

    @staticmethod
    def _stay(turn: str) -> float:
        """What a session's role gets in ``turn``."""
        if len(turn) <= BARE or (len(turn) <= SHORT and follows_up(turn)):
            return STAY_BARE
        return STAY_SHORT if len(turn) <= SHORT else STAY

    def _corrected(self, plain: dict[str, float], kept: Sequence[int]) -> dict[str, float]:
        if self.correction is None or not kept:
            return plain
        return {role: plain[role] + extra for role, extra in zip(ROLES, self.correction.scores(kept), strict=True)}

    def _scores(
        self, text: str, seen: Features | None, found: list[Evidence], evidence: Mapping[str, float]
    ) -> dict[str, float]:
        if self._classifier is None or not seen:
            return {role: score + PRIOR.get(role, 0.0) for role, score in evidence.items()}
        own = {one.role for one in found if one.own}
        share = BARE_SHARE if len(text) <= BARE else SHARE
        learned = self._classifier.weigh(seen)
        return {
            role: score + share * evidence[role] + (DECISIVE if role in own else 0.0) for role, score in learned.items()
        }

    def _earlier(self, text: str) -> dict[str, float]:
        """The classifier's scores alone, for speed; the rules' where there is no classifier."""
        return self._classifier.scores(text) if self._classifier else added_up(self._rules.evidence(text))

    def explain(self, text: str, role: str) -> list[str]:
        """The words of ``text`` that the classifier weighs most for ``role``."""
        words = own_words(text)
        return self._classifier.decisive(words, role) if self._classifier else []

    def _shares(self, scores: Mapping[str, float]) -> dict[str, float]:
        """The softmax of the scores over the classifier's temperature: 1/3 each without any evidence."""
        by = self._classifier.header.temperature if self._classifier else 1.0
        most = max(scores.values())
        powers = {name: math.exp((score - most) / by) for name, score in scores.items()}
        return {name: round(power / sum(powers.values()), 3) for name, power in powers.items()}

    def _reason(self, role: str, found: list[Evidence], *, leaned: bool) -> str:
        seen = [one.label for one in sorted(found, key=lambda one: -one.weight) if one.role == role][:4]
        if seen:
            return ", ".join(seen)
        if leaned:
            return "earlier turns"
        return "no sign of a coding or reasoning question" if self._classifier is None else f"reads like {role} prompts"


def _in_order(scores: Mapping[str, float]) -> tuple[float, float, float]:
    """Scores in the order of ``ROLES``, short enough to be stored."""
    coding, reasoning, general = (round(scores[role], 3) for role in ROLES)
    return coding, reasoning, general
