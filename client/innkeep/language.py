"""Messages in the user's language: English is the source, ``locale/LANGUAGE/LC_MESSAGES/innkeep.mo`` the translation.

Code writes ``_("no command {name}", name=...)``: the literal is the key of the catalogue. What the daemon says
(errors, reasons, findings) is English on the wire and in ``--json``; ``translated`` finds its sentence in the catalogue
by the words between the values. Without a translation a message stays English.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gettext import GNUTranslations

LANGUAGES = ("en", "ko")

FOLDER = Path(__file__).parent / "locale"
DAEMON = "daemon"
"""The message context of sentences that the daemon writes."""

_HOLE = re.compile(r"\{[^{}]*\}")


class Catalogue:
    """The messages of one language."""

    def __init__(self, messages: "GNUTranslations") -> None:
        self._messages = messages

    def find(self, message: str) -> str:
        """The translation; the message itself where there is none."""
        return self._messages.gettext(message)

    def find_plural(self, one: str, many: str, number: int) -> str:
        """The form for ``number``."""
        return self._messages.ngettext(one, many, number)

    @cached_property
    def _sentences(self) -> list[tuple[str, str, str]]:
        """The daemon's sentences as (longest fixed part, source, translation), the most specific first."""
        known: Mapping[object, str] = self._messages._catalog  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
        found = []
        for key, text in known.items():
            context, mark, source = str(key).partition("\x04")
            if mark and context == DAEMON and text:
                found.append((max(_HOLE.split(source), key=len), source, text))
        return sorted(found, key=lambda each: (-len(_HOLE.sub("", each[1])), each[1]))

    def find_sentence(self, text: str) -> str:
        """A sentence of the daemon, its values put into the translation; itself where none matches."""
        for fixed, source, translation in self._sentences:
            if fixed in text and (match := re.fullmatch(_pattern(source), text, re.DOTALL)):
                values = (self.find_part(value) for value in match.groups())
                return _filled(translation, dict(zip(_HOLE.findall(source), values, strict=True)))
        return text

    def find_part(self, text: str) -> str:
        """A value of a sentence: often a sentence itself, or several after each other."""
        if " " not in text:
            return text
        found = self.find_sentence(text)
        if found != text:
            return found
        for mark in ("; ", ", "):
            if mark in text:
                return mark.join(self.find_sentence(part) for part in text.split(mark))
        return text


_SPOKEN: ContextVar[Catalogue | None] = ContextVar("spoken", default=None)


def _(message: str, /, **values: object) -> str:
    """``message`` in the language spoken, with ``values`` in its places."""
    spoken = _SPOKEN.get()
    text = message if spoken is None else spoken.find(message)
    return text.format(**values) if values else text


def later(message: str) -> str:
    """``message`` as it is, marked for the catalogue: whoever shows it translates it by ``_``."""
    return message


def ngettext(one: str, many: str, n: int, /, **values: object) -> str:
    """The form of a message for ``n``, with ``n`` and ``values`` in its places."""
    spoken = _SPOKEN.get()
    text = (one if n == 1 else many) if spoken is None else spoken.find_plural(one, many, n)
    return text.format(n=n, **values)


def translated(text: str) -> str:
    """Sentences of the daemon in the language spoken; a part that is not known stays English."""
    spoken = _SPOKEN.get()
    return text if spoken is None or not text else spoken.find_part(text)


def language() -> str:
    """The language spoken: ``en`` or ``ko``."""
    return "en" if _SPOKEN.get() is None else "ko"


def language_of(environ: Mapping[str, str]) -> str:
    """The language that the environment asks for: $INNKEEP_LANG, $LC_ALL, $LC_MESSAGES, $LANG, the first that is set.

    Anything but Korean is English.
    """
    for name in ("INNKEEP_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name, ""):
            return "ko" if re.split(r"[_.@-]", value.lower())[0] in ("ko", "korean") else "en"
    return "en"


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Speak ``name`` inside; English where there is no catalogue for it."""
    token = _SPOKEN.set(catalogue(name))
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def catalogue(name: str) -> Catalogue | None:
    """The catalogue of a language; None for English and where it is not installed."""
    if name == "en":
        return None
    from gettext import GNUTranslations  # noqa: PLC0415  # not for English

    try:
        with (FOLDER / name / "LC_MESSAGES" / "innkeep.mo").open("rb") as file:
            return Catalogue(GNUTranslations(file))
    except OSError:
        return None


def _filled(translation: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: values.get(hole[0], hole[0]), translation)


def _pattern(source: str) -> str:
    """A regular expression for a message with holes; each hole is a group."""
    parts = _HOLE.split(source)
    return "(.+?)".join(re.escape(part) for part in parts)
