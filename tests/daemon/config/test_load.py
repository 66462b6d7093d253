from pathlib import Path

import pytest

from innkeepd.config.load import check, find, load
from innkeepd.config.schema import Config, default_roles
from innkeepd.errors import ConfigError


@pytest.fixture
def written(tmp_path):
    """Writes a configuration and loads it."""

    def write(text, env=None):
        file = tmp_path / "config.toml"
        file.write_text(text, encoding="utf-8")
        return load(file, {"HOME": str(tmp_path)} | (env or {}))

    return write


@pytest.fixture
def refused(written, tmp_path):
    """Writes a configuration that is refused, and gives the complaint without the file's name."""

    def write(text, env=None):
        with pytest.raises(ConfigError) as caught:
            written(text, env)
        message = str(caught.value)
        assert "\n" not in message
        start = f"{tmp_path / 'config.toml'}: "
        return message.removeprefix(start) if message.startswith(start) else message

    return write


def test_no_file_means_the_defaults(tmp_path):
    assert load(None, {"INNKEEP_HOME": str(tmp_path)}) == Config()


def test_an_empty_file_means_the_defaults(written, tmp_path):
    assert written("").roles == default_roles()
    assert written("").file == tmp_path / "config.toml"


def test_the_file_is_sought_in_the_order_of_the_manual(tmp_path):
    env = {"HOME": "/home/a"}
    assert find(None, env) == (Path("/home/a/.innkeep/config.toml"), False)
    env["INNKEEP_HOME"] = "/house"
    assert str(find(None, env)[0]) == "/house/config.toml"
    env["INNKEEP_CONFIG"] = "~/mine.toml"
    assert (str(find(None, env)[0]), find(None, env)[1]) == ("/home/a/mine.toml", True)
    assert str(find(tmp_path / "given.toml", env)[0]) == str(tmp_path / "given.toml")


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        load(None, {"INNKEEP_CONFIG": str(tmp_path / "gone.toml")})


def test_a_folder_in_place_of_the_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path, {})


def test_every_kind_of_value_is_read(written):
    config = written(
        """
        [ollama]
        url = "0.0.0.0:9999"
        [models."ollama/big"]
        context = 8192
        weight = "heavy"
        [models.small]
        context = "auto"
        weight = "auto"
        [memory]
        budget = "27GiB"
        reserve = "450MB"
        gpu_limit = 1000
        [residency]
        idle_unload = "never"
        [timeouts]
        connect = 2
        drain = "0s"
        [schedule.patience]
        interactive = "45s"
        [http]
        allow_admin = ["create"]
        [history]
        days = 7
        limit = 0
        """
    )
    assert config.ollama.url == "http://127.0.0.1:9999"
    assert (config.model("big:latest").context, config.model("big:latest").weight) == (8192, "heavy")
    assert (config.model("small:latest").context, config.model("small:latest").weight) == (None, None)
    assert (config.memory.budget, config.memory.reserve, config.memory.gpu_limit) == (27 * 2**30, 450_000_000, 1000)
    assert config.residency.idle_unload is None
    assert (config.timeouts.connect, config.timeouts.drain, config.timeouts.load) == (2.0, 0.0, 180.0)
    assert (config.schedule.patience.interactive, config.schedule.patience.batch) == (45.0, None)
    assert config.http.allow_admin == ("create",)
    assert (config.history.days, config.history.limit) == (7.0, 0)
    assert config.sources['models."big:latest".context'] == "config.toml"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[htpp]", "htpp: unknown key; did you mean http?"),
        ("[http]\nprot = 1", "http.prot: unknown key; did you mean port?"),
        ("zzz = 'x'", "zzz: unknown key; known here: ollama, roles, models"),
        ("[roles.codng]", "roles.codng: unknown key; did you mean coding?"),
        ("[roles.coding]\nfallback = []", "roles.coding.fallback: unknown key; did you mean fallbacks?"),
        ("[schedule.patience]\nhuman = 1", "schedule.patience.human: unknown key; known here: interactive, agent"),
        ("[http]\nport = '1'", "http.port: expected a port: 0 (any free one) to 65535, got '1' (a string)"),
        ("[http]\nport = 70000", "http.port: expected a port: 0 (any free one) to 65535, got 70000 (an integer)"),
        ("[http]\nenabled = 1", "http.enabled: expected true or false, got 1 (an integer)"),
        ("[http]\nhost = true", "http.host: expected a string, got true (a boolean)"),
        ("[http]\ntoken = 123456", "http.token: expected a string, got an integer"),
        ("[http]\norigins = 'a'", "http.origins: expected an array, got 'a' (a string)"),
        ("[http]\norigins = [1]", "http.origins[0]: expected a string, got 1 (an integer)"),
        ("[http]\nallow_admin = ['drop']", 'http.allow_admin[0]: expected one of "create", "delete", "push", "copy"'),
        ("http = 3", "http: expected a table, got 3 (an integer)"),
        ("roles = 3", "roles: expected a table, got 3"),
        ("[roles]\ncoding = 'x'", "roles.coding: expected a table, got 'x'"),
        ("backends = 3", "backends: expected [[backends]] tables, got 3"),
        ("backends = [3]", "backends[0]: expected a table, got 3"),
        ("[log]\nlevel = 'loud'", 'log.level: expected one of "debug", "info", "warning", "error", got \'loud\''),
        ("[log]\nkeep = -1", "log.keep: expected an integer, 0 or more, got -1"),
        ("[log]\nsize = 2026-01-01", 'log.size: expected a size: bytes, or "450MB", "27GiB", got'),
        ("[log]\nsize = '" + "9" * 99 + "x'", "..." ),
        ("[memory]\nbudget = 'lots'", '"27GiB", or "auto", got \'lots\''),
        ("[timeouts]\nload = '-1s'", "timeouts.load: expected a duration"),
        ("[timeouts]\nfirst_token = 0", '"1d", more than 0, got 0'),
        ("[residency]\nidle_unload = 'none'", 'or "never", got \'none\''),
        ("[residency]\nheavy_limit = 0", "residency.heavy_limit: expected an integer, 1 or more, got 0"),
        ("[schedule]\ngate = 0", "schedule.gate: expected an integer, 1 or more, got 0"),
        ("[schedule]\ngate = true", "schedule.gate: expected an integer, 1 or more, got true"),
        ("[history]\ndays = 0", "history.days: expected a number more than 0, got 0"),
        ("[history]\ndays = []", "history.days: expected a number more than 0, got an array"),
        ("[history]\nlimit = 0\npath = 'a'", "history.path: history.limit is 0"),
        ("[models.a]\ncontext = 0", 'models."a".context: expected a number of tokens, 1 or more, or "auto", got 0'),
        ("[models.a]\nweight = 'fat'", 'models."a".weight: expected "heavy", "light", or "auto", got \'fat\''),
        ("[models.a]\n[models.'a:latest']", 'models."a:latest": a:latest is described twice'),
        ("[models.'']", 'models."": expected a model\'s name'),
        ("[roles.general]\nprimary = 'a b'", "roles.general.primary: expected a model's name, got 'a b'"),
        ("[roles.general]\nfallbacks = ['']", "roles.general.fallbacks[0]: expected a model's name"),
        ("[ollama]\nurl = 'ftp://x'", "ollama.url: expected an address of Ollama: an address begins with http://"),
        ("[ollama]\nurl = '127.0.0.1:11435'", "ollama.url: http://127.0.0.1:11435 is our own port (http.port = 11435)"),
        ("[http]\nhost = '0.0.0.0'", "http.host: 0.0.0.0 lets other machines in; set http.token or http.token_file"),
        ("[http]\ntoken = 'a'\ntoken_file = 'b'", "http.token: set this or token_file, not both"),
        ("[http]\ntoken_file = 'gone'", "gone can't be read: No such file or directory"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line_with_the_key_and_what_was_expected(refused, text, complaint):
    assert complaint in refused(text)


def test_a_secret_of_the_wrong_type_is_not_repeated(refused):
    assert "123456" not in refused("[http]\ntoken = 123456")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[http\n", "line 1, column 6: not TOML: Expected ']'"),
        ("a = 1\n[http]\nport = \n", "line 3, column 8: not TOML: Invalid value"),
        ("a = 1\n\nb = '''x\n", "line 4: not TOML: "),
        ("a = 1\na = 2", "line 2"),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)
def test_a_syntax_error_names_its_line(refused, text, complaint):
    assert complaint in refused(text)


def test_bytes_that_are_not_text_name_their_line(tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"a = 1\n# \xff\n")
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        load(file, {})


def test_a_byte_order_mark_harms_nobody(written):
    assert written("\ufeff[http]\nport = 12000").http.port == 12000


def test_a_new_primary_keeps_the_default_fallbacks_less_itself(written):
    role = written('[roles.coding]\nprimary = "ollama/llama3.3"').roles["coding"]
    assert role.chain == ("llama3.3:latest", "deepseek-r1:32b", "llama3.1:8b")


def test_the_seeds_forms_of_a_name_are_one_name(written):
    role = written('[roles.general]\nprimary = "a"\nfallbacks = ["ollama/b", "b:latest", "a", "c:1"]').roles["general"]
    assert role.chain == ("a:latest", "b:latest", "c:1")


def test_keywords_are_stripped_and_unique(written):
    assert written('[roles.coding]\nkeywords = [" a ", "a", ""]').roles["coding"].keywords == ("a",)


def test_ollama_host_counts_where_the_file_sets_no_url(written):
    config = written("", {"OLLAMA_HOST": "0.0.0.0:7000"})
    assert config.ollama.url == "http://127.0.0.1:7000"
    assert config.sources["ollama.url"] == "$OLLAMA_HOST"
    assert written("[ollama]\nurl = 'http://h:1'", {"OLLAMA_HOST": "x:2"}).ollama.url == "http://h:1"


def test_ollama_host_that_leads_to_our_own_port_is_refused_by_its_own_name(refused):
    reported = refused("", {"OLLAMA_HOST": "localhost:11435"})
    assert reported.startswith("environment: $OLLAMA_HOST: http://localhost:11435 is our own port")
    assert "set ollama.url" in reported


def test_a_broken_ollama_host_is_told_as_such(refused):
    assert refused("", {"OLLAMA_HOST": "a:b"}).startswith("environment: $OLLAMA_HOST: expected an address of Ollama")


def test_a_token_file_is_read_beside_the_configuration(written, tmp_path):
    (tmp_path / "secret").write_text("hunter2\n")
    assert written("[http]\nhost = '0.0.0.0'\ntoken_file = 'secret'").http.token == "hunter2"
    assert written("[http]\ntoken_file = '~/secret'").http.token == "hunter2"


@pytest.mark.parametrize("content", [b"", b"a\nb\n"])
def test_a_token_file_holds_one_line(refused, tmp_path, content):
    (tmp_path / "secret").write_bytes(content)
    assert "holds no token; expected one line" in refused("[http]\ntoken_file = 'secret'")


def test_a_token_file_that_is_no_text_is_refused(refused, tmp_path):
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    assert "can't be read: not text" in refused("[http]\ntoken_file = 'secret'")


RAY = '[[backends]]\nname = "ray"\nurl = "http://10.0.0.1:8000/v1/"\n'


def test_a_backend_inherits_the_timeouts_and_keeps_its_models_names(written):
    config = written(
        RAY + "models = ['ray/llama3.3', 'org/other']\ntimeouts = {stall = 5}\n"
        "[timeouts]\nfirst_token = 30\n[roles.general]\nprimary = 'ray/llama3.3'\nfallbacks = ['llama3.1:8b']"
    )
    ray = config.backends[0]
    assert (ray.url, ray.models, ray.limit, ray.api) == (
        "http://10.0.0.1:8000/v1",
        ("llama3.3", "org/other"),
        4,
        "openai",
    )
    assert (ray.timeouts.connect, ray.timeouts.first_token, ray.timeouts.stall) == (3.0, 30.0, 5.0)
    assert config.roles["general"].chain == ("ray/llama3.3", "llama3.1:8b")
    assert config.sources["backends[0].timeouts.stall"] == "config.toml"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (RAY + RAY, "backends[1].name: ray is already the name of backends[0]"),
        ("[[backends]]\nurl = 'http://a'", "backends[0].name: expected a name of letters"),
        ("[[backends]]\nname = 'ollama'\nurl = 'http://a'", "backends[0].name: expected a name of letters"),
        ("[[backends]]\nname = 'a/b'\nurl = 'http://a'", "backends[0].name: expected a name of letters"),
        ("[[backends]]\nname = 'a'", "backends[0].url: expected http://... or https://..., got ''"),
        (
            "[[backends]]\nname = 'a'\nurl = 'http://127.0.0.1:11435/v1'",
            "backends[0].url: http://127.0.0.1:11435/v1 is our",
        ),
        (RAY + "limit = 0", "backends[0].limit: expected an integer, 1 or more"),
        (
            RAY + "[roles.general]\nprimary = 'rays/x'",
            "roles.general.primary: no backend is called 'rays'; did you mean ray/x?",
        ),
        (
            RAY + "models = ['a']\n[roles.general]\nprimary = 'ray/b'",
            "roles.general: backend ray has no b; its models are a",
        ),
    ],
)
def test_backends_that_contradict_are_refused(refused, text, complaint):
    assert complaint in refused(text)


def test_a_namespace_of_ollamas_is_not_taken_for_a_backend(written):
    assert written(RAY + "[roles.general]\nprimary = 'mannix/x'").roles["general"].primary == "mannix/x:latest"
    assert written(RAY + "[roles.general]\nprimary = 'hf.co/a/b'").roles["general"].primary == "hf.co/a/b:latest"


def test_check_says_in_one_line_what_was_read(tmp_path):
    file = tmp_path / "config.toml"
    assert check(None, {"INNKEEP_HOME": str(tmp_path)}) == f"{file}: no such file; everything has its default"
    file.write_text("[http]\nport = 1")
    assert check(file, {}) == f"{file}: fine, 1 key set"
    file.write_text("[http]\nport = 1\nhost = 'localhost'")
    assert check(file, {}) == f"{file}: fine, 2 keys set"


def test_the_home_folder_is_found_without_an_environment():
    assert str(find(None, {})[0]) == str(Path.home() / ".innkeep" / "config.toml")
