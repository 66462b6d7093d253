"""The commands inside ``innkeep chat``, as changes to what is being talked about: no input, no socket."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from innkeep.cli.arguments import ROLES
from innkeep.wire import Message

HELP = """\
/role coding|reasoning|general|auto   who answers from now on
/model NAME|auto                      this model and no other
/system TEXT                          instructions; without TEXT none
/reset                                forget what was said
/save FILE                            write the conversation (.json as messages, else as Markdown)
/help                                 this
/exit                                 leave (so does Ctrl-D)
Ctrl-C stops an answer. A line that ends with \\ goes on in the next one."""


@dataclass
class Talk:
    """What has been said, and to whom the next line goes."""

    messages: list[Message] = field(default_factory=list)
    system: str | None = None
    model: str | None = None
    role: str | None = None
    over: bool = False

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
            case "/reset":
                self.messages.clear()
                return "forgotten"
            case "/save":
                return self._save(argument)
            case "/exit" | "/quit":
                self.over = True
                return ""
        return f"no command {command}; /help lists them"

    def spoken(self) -> list[Message]:
        """The messages as they are sent."""
        return [*([Message("system", self.system)] if self.system else []), *self.messages]

    def _set_role(self, role: str) -> str:
        if role in ("", "auto"):
            self.role = None
            return "roles by what you ask"
        if role not in ROLES:
            return f"no role {role}; one of {', '.join(ROLES)}, auto"
        self.role, self.model = role, None
        return f"{role} from now on"

    def _set_model(self, name: str) -> str:
        name = name.removeprefix("ollama/")
        if name in ("", "auto"):
            self.model = None
            return "models by what you ask"
        self.model, self.role = name, None
        return f"{name} from now on"

    def _save(self, name: str) -> str:
        if not name:
            return "name a file: /save talk.md"
        path = Path(name).expanduser()
        try:
            path.write_text(self.as_json() if path.suffix == ".json" else self.as_markdown(), encoding="utf-8")
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
