import anyio
import pytest
from msgspec import Struct

from innkeep import wire
from innkeepd import app
from innkeepd.config.schema import BackendConfig, Config, ModelConfig, PatienceConfig, RoleConfig, WhenConfig
from innkeepd.store.records import MemoryHistory
from support.daemon import LLAMA8, config, mock_clock, open_daemon

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_what_was_learned_is_written_now_and_then_and_at_the_end():
    records = MemoryHistory()
    async with open_daemon(records=records) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        assert records.get("learned") is None or anyio.current_time() > app.KEEP_EVERY
        await anyio.sleep(app.KEEP_EVERY + 1)
        first = records.get("learned")
        assert first
        await client.chat_to_end("hi", model=LLAMA8)
    assert records.get("learned") != first


async def test_tables_that_wait_for_a_restart_are_named_and_stay_as_they_were():
    async with open_daemon() as daemon:
        new = config(ollama={"url": "http://127.0.0.1:9"}, history={"limit": 7}, timeouts={"stall": 9.0})
        assert daemon.app.reconfigure(new) == ["ollama", "history"]
        assert daemon.app.config.ollama.url != "http://127.0.0.1:9"
        assert daemon.app.dispatcher.config.timeouts.stall == 9.0


FAR = BackendConfig(name="gpu", url="http://127.0.0.1:9")
CHANGES = {
    "ollama.url": "http://127.0.0.1:9",
    "roles": {"general": RoleConfig(primary=LLAMA8)},
    "models": {LLAMA8: ModelConfig(context=4096)},
    "memory.budget": 20 * 2**30,
    "memory.reserve": 5 * 2**30,
    "memory.gpu_limit": 21 * 2**30,
    "residency.heavy_limit": 2,
    "residency.heavy_parameters": 10**9,
    "residency.idle_unload": 7.0,
    "timeouts.connect": 1.5,
    "timeouts.load": 17.0,
    "timeouts.first_token": 17.0,
    "timeouts.stall": 17.0,
    "timeouts.drain": 17.0,
    "schedule.turn": 17.0,
    "schedule.batch_turn": 170.0,
    "schedule.gate": 7,
    "schedule.session_hold": 7.0,
    "schedule.queue_limit": 7,
    "schedule.hold_wait": 7.0,
    "schedule.patience": PatienceConfig(agent=7.0),
    "http.enabled": False,
    "http.host": "localhost",
    "http.port": 12345,
    "http.token": "secret",
    "http.token_file": "token",
    "http.allow_admin": ("copy",),
    "http.max_body": 2**20,
    "http.origins": ("http://a.example",),
    "log.prompts": True,
    "log.level": "debug",
    "log.size": 10**6,
    "log.keep": 1,
    "log.path": "a.log",
    "history.limit": 7,
    "history.days": 7.0,
    "history.path": "a.sqlite3",
    "telemetry.otlp": "http://127.0.0.1:4318",
    "routing.ignore": ("bug fables",),
    "routing.sticky": False,
    "routing.shadow": True,
    "routing.errands": False,
    "backends": (FAR,),
    "when": (WhenConfig(name="call", then="hold", camera=True),),
    "notify.command": ("alert",),
    "notify.desktop": True,
}
"""Another value for every key of the configuration. A new key needs one here, and its consumer in ``in_force``."""


def in_force(daemon, key):
    """The value of a key where it is used."""
    app, control = daemon.app, daemon.control
    settings, policy = control.scheduler.rules, control.catalog.policy
    used = {
        "memory.budget": policy.budget,
        "memory.reserve": policy.reserve,
        "memory.gpu_limit": policy.gpu_limit,
        "residency.heavy_limit": control.scheduler.ledger.heavy_limit,
        "residency.heavy_parameters": policy.heavy_parameters,
        "residency.idle_unload": settings.idle_unload,
        "timeouts.load": control.catalog.config.timeouts.load,
        "timeouts.first_token": app.dispatcher.config.timeouts.first_token,
        "timeouts.stall": daemon.door._patience(),
        "schedule.patience": app.dispatcher.config.schedule.patience,
    }
    table, _, name = key.partition(".")
    if table == "schedule" and key not in used:
        return getattr(settings, name)
    if table in {"roles", "routing"}:
        used[table] = getattr(app.dispatcher.selector._config, table)
    if table == "when" and [rule.name for rule in control._rules] == ["call"]:
        used[table] = CHANGES["when"]
    value = used.get(key, getattr(app.config, table))
    return getattr(value, name) if name and key not in used else value


def test_every_key_of_the_configuration_is_tried():
    keys = set()
    for name, table in ((name, getattr(Config(), name)) for name in Config.__struct_fields__):
        if name not in {"file", "sources"}:
            fields = table.__struct_fields__ if isinstance(table, Struct) else None
            keys |= {f"{name}.{field}" for field in fields} if fields else {name}
    assert keys == set(CHANGES)


@pytest.mark.parametrize("key", CHANGES)
async def test_a_changed_key_is_in_force_or_named_as_waiting_for_a_restart(key, monkeypatch):
    opened = []
    monkeypatch.setattr(app.log, "configure", lambda said, **_: opened.append(said))
    table, _, name = key.partition(".")
    async with open_daemon() as daemon:
        before = in_force(daemon, key)
        late = daemon.app.reconfigure(config(**{table: {name: CHANGES[key]} if name else CHANGES[key]}))
        assert before != CHANGES[key]
        if late:
            assert late == ([key] if key == "timeouts.connect" else [table])
            assert in_force(daemon, key) == before
        else:
            assert in_force(daemon, key) == CHANGES[key]
        assert [getattr(said, name) for said in opened] == ([CHANGES[key]] if table == "log" else [])


async def test_roles_that_name_an_engine_which_is_not_asked_yet_wait_with_it():
    async with open_daemon() as daemon:
        roles = dict(daemon.app.config.roles)
        new = config(backends=(FAR,), roles={"coding": RoleConfig(primary="gpu/qwen3")})
        assert daemon.app.reconfigure(new) == ["backends", "roles"]
        assert daemon.app.config.roles == roles


async def test_a_new_log_table_opens_the_log_anew(monkeypatch):
    opened = []
    monkeypatch.setattr(app.log, "configure", lambda said, **_: opened.append(said.level))
    async with open_daemon() as daemon:
        daemon.app.reconfigure(config(timeouts={"stall": 9.0}))
        assert opened == []
        daemon.app.reconfigure(config(log={"level": "debug"}))
        assert opened == ["debug"]


async def test_a_log_that_cannot_be_opened_goes_to_stderr(monkeypatch):
    opened = []

    def configure(said, *, foreground, folder):
        opened.append((said.path, foreground))
        if not said.path:
            raise OSError("no room")

    monkeypatch.setattr(app.log, "configure", configure)
    async with open_daemon() as daemon:
        daemon.app._open_log()
    assert opened[-1] == ("/dev/null", True)


async def test_a_port_that_stays_closed_is_told_by_status_and_tried_again_until_it_opens(monkeypatch):
    tries = []

    async def taken(*_args, opened, **_more):
        tries.append(anyio.current_time())
        if len(tries) == 3:
            opened()
            await anyio.sleep_forever()
        return "the HTTP port stays closed: taken"

    monkeypatch.setattr("innkeepd.server.http.server.serve_http", taken)
    async with open_daemon(config(http={"enabled": True})) as daemon, anyio.create_task_group() as tasks:
        tasks.start_soon(daemon.app.serve_http)
        client = daemon.connect()
        await anyio.sleep(app.OPEN_EVERY * 1.5)
        assert (await client.status()).warnings == ["the HTTP port stays closed: taken"]
        await anyio.sleep(app.OPEN_EVERY)
        assert (await client.status()).warnings == []
        assert len(tries) == 3
        tasks.cancel_scope.cancel()


async def test_a_port_that_may_not_open_is_not_tried_again():
    async with open_daemon(config(http={"enabled": True, "host": "0.0.0.0"})) as daemon:
        with anyio.fail_after(1):
            await daemon.app.serve_http()
        assert "token is not set" in (await daemon.connect().status()).warnings[0]


def test_the_canonical_line_is_made_of_the_record(monkeypatch):
    reported = {}
    monkeypatch.setattr(app.log, "request_line", lambda **fields: reported.update(fields))
    timings = wire.Timings(queued=1.0, swap=0.5, total=2.0)
    record = wire.DecisionRecord(id="x", code="stalled", outcome="failed", timings=timings, completion_tokens=3)
    app.log_request(record)
    assert (reported["outcome"], reported["waited"], reported["seconds"], reported["tokens"]) == (
        "stalled",
        1.0,
        2.0,
        3,
    )
