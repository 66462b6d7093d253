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
from innkeep.wire import Message

HELP = """\
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
Ctrl-C stops an answer. Several lines: paste them, end each with \\, or put them between lines of \"\"\"."""

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
        command, _, argument = line.partition(" ")
        argument = argument.strip()
        match command:
            case "/help" | "/?":
                return HELP
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
        return f"no command {command}; /help lists them"

    def _ask_again(self, *, edits: bool) -> str:
        at = next((at for at in reversed(range(len(self.messages))) if self.messages[at].role == "user"), None)
        if at is None:
            return "no question yet"
        question = self.messages[at].content
        if edits:
            try:
                question = edited(question)
            except OSError as error:
                return f"the editor can't be started: {error.strerror or error}; set $EDITOR"
            if not question:
                return "nothing to ask"
        del self.messages[at:]
        self.again = question
        return ""

    def spoken(self) -> list[Message]:
        """The messages as they are sent."""
        return [*([Message("system", self.system)] if self.system else []), *self.messages]

    def _set_role(self, role: str) -> str:
        if not role:
            return f"role: {self.role or 'automatic'}"
        if role == "auto":
            self.role = None
            return "role: automatic"
        if role not in ROLES:
            return f"no role {role}; one of {', '.join(ROLES)}, auto"
        self.role, self.model = role, None
        return f"role: {role} from now on"

    def _set_model(self, name: str) -> str:
        name = name.removeprefix("ollama/")
        if not name:
            return f"model: {self.model or 'automatic'}"
        if name == "auto":
            self.model = None
            return "model: automatic"
        known = self.names()
        if known and name not in known and f"{name}:latest" not in known:
            close = get_close_matches(name, known, n=1)
            return f"no model {name}" + (f"; did you mean {close[0]}?" if close else "; Tab shows the names")
        self.model, self.role = name, None
        return f"model: {name} from now on"

    def _save(self, name: str, *, overwrites: bool) -> str:
        if not name:
            return "name a file: /save talk.md"
        path = Path(name).expanduser()
        text = self.as_json() if path.suffix == ".json" else self.as_markdown()
        try:
            with path.open("w" if overwrites else "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return f"{name} exists; /save! {name} overwrites it"
        except OSError as error:
            return f"{name}: {error.strerror or error}"
        return f"{len(self.messages)} messages written to {path}"

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
