"""The commands inside ``innkeep chat``, as changes to what is being talked about: no input, no socket."""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from innkeep.cli.arguments import ROLES
from innkeep.language import _, later
from innkeep.wire import Message

HELP = later("""\
/role [coding|reasoning|general|auto]  show or choose the role that answers
/model [NAME|auto]                     show or choose the model that answers
/system [TEXT]                         instructions; without TEXT none
/retry                                 ask the last question again
/edit                                  change the last question in $EDITOR and ask it again
/last                                  print the last answer again
/reset                                 forget what was said
/save FILE                             write the conversation (.json, else Markdown); /save! overwrites
/help                                  this
/exit                                  leave (so does Ctrl-D)
Ctrl-C stops an answer. Several lines: paste them, end each with \\, or put them between lines of \"\"\".""")

COMMANDS = ("/edit", "/exit", "/help", "/last", "/model", "/reset", "/retry", "/role", "/save", "/system")


@dataclass
class ChatState:
    """What has been said, and to whom the next line goes. ``names`` gives the models' names, to check one."""

    messages: list[Message] = field(default_factory=list)
    system: str | None = None
    model: str | None = None
    role: str | None = None
    over: bool = False
    again: str | None = None
    """A question to be asked next, without being typed."""
    names: Callable[[], Collection[str]] = tuple

    def obey(self, line: str) -> str:
        """Follow ``/command argument`` and give the answer to it."""
        command, _space, argument = line.partition(" ")
        argument = argument.strip()
        match command:
            case "/help" | "/?":
                return _(HELP)
            case "/role":
                return self._set_role(argument)
            case "/model":
                return self._set_model(argument)
            case "/system":
                self.system = argument or None
                return "instructions kept" if argument else "no instructions"
            case "/retry" | "/edit":
                return self._ask_again(edits=command == "/edit")
            case "/last":
                return next(
                    (one.content for one in reversed(self.messages) if one.role == "assistant"), "no answer yet"
                )
            case "/reset":
                self.messages.clear()
                return "forgotten"
            case "/save" | "/save!":
                return self._save(argument, overwrites=command == "/save!")
            case "/exit" | "/quit" | "/bye":
                self.over = True
                return ""
        return _("no command {command}; /help lists them", command=command)

    def _ask_again(self, *, edits: bool) -> str:
        at = next((at for at in reversed(range(len(self.messages))) if self.messages[at].role == "user"), None)
        if at is None:
            return _("no question yet")
        question = self.messages[at].content
        if edits:
            try:
                question = edited(question)
            except OSError as error:
                return _("the editor can't be started: {strerror}; set $EDITOR", strerror=error.strerror or error)
            if not question:
                return _("nothing to ask")
        del self.messages[at:]
        self.again = question
        return ""

    def spoken(self) -> list[Message]:
        """The messages as they are sent."""
        return [*([Message("system", self.system)] if self.system else []), *self.messages]

    def _set_role(self, role: str) -> str:
        if not role:
            return _("role: {role}", role=self.role or _("automatic"))
        if role == "auto":
            self.role = None
            return _("role: automatic")
        if role not in ROLES:
            return _("no role {role}; one of {ROLES}, auto", role=role, ROLES=", ".join(ROLES))
        self.role, self.model = role, None
        return _("role: {role} from now on", role=role)

    def _set_model(self, name: str) -> str:
        name = name.removeprefix("ollama/")
        if not name:
            return _("model: {model}", model=self.model or _("automatic"))
        if name == "auto":
            self.model = None
            return _("model: automatic")
        known = self.names()
        if known and name not in known and f"{name}:latest" not in known:
            close = get_close_matches(name, known, n=1)
            return _("no model {name}", name=name) + (
                _("; did you mean {close}?", close=close[0]) if close else _("; Tab shows the names")
            )
        self.model, self.role = name, None
        return _("model: {name} from now on", name=name)

    def _save(self, name: str, *, overwrites: bool) -> str:
        if not name:
            return _("name a file: /save talk.md")
        path = Path(name).expanduser()
        text = self.as_json() if path.suffix == ".json" else self.as_markdown()
        try:
            with path.open("w" if overwrites else "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return _("{name} exists; /save! {name} overwrites it", name=name)
        except OSError as error:
            return f"{name}: {error.strerror or error}"
        return _("{messages} messages written to {path}", messages=len(self.messages), path=path)

    def as_json(self) -> str:
        """The messages in Ollama's shape."""
        return json.dumps(
            [{"role": one.role, "content": one.content} for one in self.spoken()], ensure_ascii=False, indent=1
        )

    def as_markdown(self) -> str:
        """The messages under their speakers' names."""
        return "\n\n".join(f"## {one.role}\n\n{one.content.strip()}" for one in self.spoken()) + "\n"


def edited(text: str) -> str:
    """``text`` after ``$VISUAL`` or ``$EDITOR`` (else vi) has had it. Raises ``OSError``."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="innkeep-") as folder:
        file = Path(folder) / "question.md"
        file.write_text(text, encoding="utf-8")
        subprocess.run([*editor, str(file)], check=False)  # noqa: S603  # the user's own editor
        return file.read_text(encoding="utf-8").strip()
