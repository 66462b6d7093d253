"""The rules that no other test would miss: which folder imports which, and what must not be found anywhere."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {"innkeepd": ROOT / "daemon", "innkeep": ROOT / "client"}
FOLDERS = (
    "policy",
    "config",
    "machine",
    "simulator",
    "backends",
    "store",
    "residency",
    "chat",
    "server",
    "simulate",
    "clients",
    "service",
    "openclaw",
    "connect",
    "setup",
)
"""The folders of the daemon, lowest first: a module imports from its own folder and from those before it."""

SHARED = {"errors", "lock", "ownership", "supervision", "arguments"}
"""Files of the root that every folder may import; they import nothing of ours but each other."""

ENTRY = {"main", "run", "app", "log"}
"""Files of the root that wire everything; no folder imports them, but a verb may import ``log`` late."""

CONTRACT = (
    "innkeep.wire",
    "innkeep.framing",
    "innkeep.errors",
    "innkeep.language",
    "innkeep.paths",
    "innkeep.units",
)
"""What the daemon's folders may use of the client package: the contract, never its faces."""

PROTOCOL_ONLY = {"residency": {"backend", "ollama_dialect", "ollama_proved"}, "chat": {"backend", "ollama_count"}}
"""Of ``backends`` these folders know the Protocol and pure data; ``app`` hands the engines in."""

REAL_SLEEPS: dict[str, str] = {
    "tests/attack/test_faults.py": "polls, as a client can but do, for what a whole daemon on real sockets does",
    "tests/daemon/backends/test_loopback.py": "the kernel's socket buffers fill in real time; no event tells",
    "tests/daemon/service/test_launchd.py": "polls for what a real process does under the fake launchd",
    "tests/support/launchd.py": "no test, but a launchd: it throttles a job that ends too soon, 50 times as fast",
    "tests/engines/ray_app.py": "no test, but an engine in a process of its own that takes its time for each word",
    "tests/support/asgi.py": "on the clock of the test that uses it: a mock clock, or for no time at all",
    "tests/support/attack.py": "on the clock of the attack that uses it: a mock clock",
    "tests/support/errand_day.py": "on the clock of the test that uses it: a mock clock",
    "tests/support/remote.py": "on the clock of the test that uses it: a mock clock, or for no time at all",
    "tests/support/transport.py": "on the clock of the test that uses it: a mock clock, or for no time at all",
}
"""Test modules that may sleep for a real while, and why."""


class Import(NamedTuple):
    """One import of one module: who, whom, on which line, and whether it is for the type checker only."""

    importer: str
    imported: str
    line: int
    typing: bool

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported} (line {self.line})"


# --- who may import whom ----------------------------------------------------------------------------------------------
def test_the_client_never_imports_the_daemon():
    assert [str(one) for one in _imports("innkeep") if _top(one.imported) == "innkeepd"] == []


def test_policy_imports_the_standard_library_msgspec_and_itself_only():
    """No IO: the router's weights are bytes that ``innkeepd.chat.router`` reads and hands in."""
    allowed = {*sys.stdlib_module_names, "msgspec"} - {
        "asyncio", "importlib", "io", "logging", "multiprocessing", "os", "pathlib", "random", "select", "signal",
        "socket", "sqlite3", "subprocess", "threading", "time",
    }  # fmt: skip
    assert [
        str(one)
        for one in _imports("innkeepd")
        if _folder(one.importer) == "policy"
        and _folder(one.imported) != "policy"
        and one.imported != "innkeepd"
        and _top(one.imported) not in allowed
    ] == []


def test_every_folder_of_the_daemon_has_its_floor():
    found = {path.name for path in (SOURCES["innkeepd"] / "innkeepd").iterdir() if (path / "__init__.py").exists()}
    assert found == set(FOLDERS)


def test_the_root_holds_a_handful_of_files():
    found = {path.stem for path in (SOURCES["innkeepd"] / "innkeepd").glob("*.py")}
    assert found == {"__init__", *SHARED, *ENTRY}


def test_no_folder_imports_one_above_it():
    assert [
        str(one)
        for one in _between_folders()
        if _folder(one.importer) in FOLDERS
        and _folder(one.imported) in FOLDERS
        and FOLDERS.index(_folder(one.imported)) > FOLDERS.index(_folder(one.importer))
    ] == []


def test_nobody_imports_an_entry_file_but_entry_files_and_verbs():
    assert [
        str(one)
        for one in _between_folders()
        if _folder(one.imported) in ENTRY
        and _folder(one.importer) not in ENTRY
        and not (_folder(one.imported) == "log" and _folder(one.importer) == "service")
    ] == []


def test_shared_files_import_nothing_above_them():
    assert [
        str(one)
        for one in _between_folders()
        if _folder(one.importer) in SHARED and _folder(one.imported) not in {*SHARED, ""}
    ] == []


def test_residency_and_chat_know_engines_by_their_protocol_only():
    assert [
        str(one)
        for one in _between_folders()
        if _folder(one.importer) in PROTOCOL_ONLY
        and _folder(one.imported) == "backends"
        and one.imported.split(".")[2:3]
        and one.imported.split(".")[2] not in PROTOCOL_ONLY[_folder(one.importer)]
    ] == []


def test_the_daemon_uses_the_contract_of_the_client_package_and_never_its_faces():
    assert [
        str(one)
        for one in _imports("innkeepd")
        if _top(one.imported) == "innkeep"
        and _folder(one.importer) not in {"service", "setup", *ENTRY}
        and one.imported != "innkeep"
        and not one.imported.startswith(CONTRACT)
    ] == []


@pytest.mark.parametrize("package", SOURCES)
def test_no_import_goes_in_a_circle(package):
    """Imports for the type checker count: a circle of types is a circle of knowledge. What ``__init__`` names for
    users does not: it is loaded when asked for.
    """
    graph: dict[str, set[str]] = {}
    for one in _imports(package):
        is_name_for_users = one.typing and one.importer == package
        if one.imported in _modules(package) and one.imported != one.importer and not is_name_for_users:
            graph.setdefault(one.importer, set()).add(one.imported)
    clear: set[str] = set()

    def circle(module: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if module in path:
            return (*path[path.index(module) :], module)
        if module not in clear:
            for imported in sorted(graph.get(module, ())):
                if found := circle(imported, (*path, module)):
                    return found
            clear.add(module)
        return ()

    assert [" -> ".join(found) for module in sorted(graph) if (found := circle(module, ()))] == []


# --- what must not be found anywhere ----------------------------------------------------------------------------------
def test_nothing_is_left_to_do_in_what_we_wrote():
    assert _found(re.compile(r"\b(TODO|FIXME|XXX)\b"), _ours()) == []


def test_nothing_names_a_place_of_one_machine():
    machine = re.compile(r"(?<![\w.~-])/(?:work|root)/|\bshared/(?:design|ollama|clients|macos)\b")
    assert _found(machine, _ours()) == []


def test_the_weights_are_never_deleted():
    refusing = ("daemon/innkeepd/server/http/", "daemon/innkeepd/simulator/")
    assert [
        f"{path.relative_to(ROOT)}:{line}"
        for path in (*_modules("innkeepd").values(), *_modules("innkeep").values())
        if not path.relative_to(ROOT).as_posix().startswith(refusing)
        for line, text in _texts(_tree(path))
        if "api/delete" in text
    ] == []


def test_no_test_sleeps_for_a_real_while():
    mocked = ("anyio", "trio")
    assert [
        f"{name}:{call.lineno}"
        for path in (ROOT / "tests").rglob("*.py")
        if (name := path.relative_to(ROOT).as_posix()) not in REAL_SLEEPS
        for call in ast.walk(_tree(path))
        if isinstance(call, ast.Call)
        and (module := _sleeps(call))
        and not (module in mocked and _has_a_mock_clock(path))
    ] == []


def test_the_allowed_sleeps_are_still_there():
    for name in REAL_SLEEPS:
        path = ROOT / name
        assert any(isinstance(call, ast.Call) and _sleeps(call) for call in ast.walk(_tree(path))), name


# --- the rules tried on code that breaks them ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "imported"),
    [
        ("import innkeepd.main", ["innkeepd.main"]),
        ("from innkeepd import main", ["innkeepd", "innkeepd.main"]),
        ("from innkeepd.policy import Nothing", ["innkeepd.policy"]),
        ("def late():\n    from innkeepd import main", ["innkeepd", "innkeepd.main"]),
    ],
)
def test_an_import_is_seen_in_every_form(text, imported):
    assert imported == [one.imported for one in _imports_of("x", ast.parse(text), {"innkeepd.main", "innkeepd.policy"})]


def test_a_text_is_told_from_a_docstring():
    assert list(_texts(ast.parse('"""api"""\nx = "used"\n'))) == [(2, "used")]


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("time.sleep(1)", "time"),
        ("anyio.sleep(0.1)", "anyio"),
        ("asyncio.sleep(pause)", "asyncio"),
        ("anyio.sleep(0)", ""),
        ("anyio.sleep_forever()", ""),
        ("clock.sleep(3)", ""),
    ],
)
def test_a_sleep_is_told_from_a_turn_of_the_loop(text, module):
    (call,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    assert module == _sleeps(call)


# --- reading the sources ----------------------------------------------------------------------------------------------
@cache
def _modules(package: str) -> dict[str, Path]:
    """Dotted name -> file, of one package."""
    found = {}
    for path in sorted((SOURCES[package] / package).rglob("*.py")):
        parts = path.relative_to(SOURCES[package]).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def _imports(package: str) -> tuple[Import, ...]:
    every = {*_modules("innkeepd"), *_modules("innkeep")}
    return tuple(one for name, path in _modules(package).items() for one in _imports_of(name, _tree(path), every))


def _imports_of(importer: str, tree: ast.Module, modules: set[str]) -> Iterator[Import]:
    """Every import of one module; ``from package import module`` is an import of the module too."""
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        typing = id(node) in guarded
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Import(importer, name.name, node.lineno, typing)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}, line {node.lineno}: imports are written in full here"
            base = node.module or ""
            yield Import(importer, base, node.lineno, typing)
            for name in node.names:
                if f"{base}.{name.name}" in modules:
                    yield Import(importer, f"{base}.{name.name}", node.lineno, typing)


def _between_folders() -> list[Import]:
    """The daemon's imports that leave a folder for another."""
    return [
        one
        for one in _imports("innkeepd")
        if one.imported.startswith("innkeepd.") and _folder(one.importer) != _folder(one.imported)
    ]


def _top(module: str) -> str:
    return module.partition(".")[0]


def _folder(module: str) -> str:
    """``innkeepd.policy.routing.router`` -> ``policy``; outside the daemon nothing is a room."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "innkeepd" else ""


def _ours(*folders: str) -> list[Path]:
    """What we wrote: text files, without recordings (others wrote those) and without this one (it names the words)."""
    tops = folders or ("daemon", "client", "tests", "packaging", "docs", "scripts", "examples", ".ci", ".github")
    files = [path for top in tops for path in (ROOT / top).rglob("*") if path.is_file()]
    if not folders:
        files += [path for path in ROOT.iterdir() if path.suffix in (".md", ".toml") or path.name == "Makefile"]
    skipped = {"__pycache__", "node_modules", "data"}
    return [path for path in files if not skipped & set(path.parts) and path != Path(__file__)]


def _found(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """``file:line`` of every match."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The texts that a module uses, with their lines; docstrings are only read by people and are left out."""
    read = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in read:
            yield node.lineno, node.value


def _sleeps(call: ast.Call) -> str:
    """The module whose ``sleep`` this call is, if it sleeps for longer than one turn of the loop; else nothing."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="time" | "asyncio" | "anyio" | "trio" as module), attr="sleep")
        ):
            short = call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
            return "" if short else module
    return ""


def _has_a_mock_clock(test: Path) -> bool:
    """Whether a module's event loop lives on trio's mock clock, by its own word or by a conftest's above it."""
    above = (folder / "conftest.py" for folder in test.parents if folder.is_relative_to(ROOT / "tests"))
    return any(
        re.search(r"MockClock\(|mock_clock\(\)", path.read_text("utf-8")) for path in (test, *above) if path.exists()
    )
