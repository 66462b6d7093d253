import pytest

from innkeepd import main, run
from innkeepd.config import command as config_cli
from innkeepd.simulate import command as simulate


@pytest.mark.parametrize(
    ("verb", "reported", "line"),
    [
        (main.main, [], "innkeepd: the following arguments are required: VERB; see `innkeepd --help`"),
        (main.main, ["--nothing"], "innkeepd: the following arguments are required: VERB; see `innkeepd --help`"),
        (
            simulate.main,
            [],
            "innkeepd: the following arguments are required: trace; see `innkeepd simulate --help`",
        ),
        (
            run.main,
            ["--journal"],
            "innkeepd: argument --journal: expected one argument; see `innkeepd run --help`",
        ),
        (config_cli.main, [], "innkeepd: the following arguments are required: what; see `innkeepd config --help`"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(verb, reported, line, capsys):
    with pytest.raises(SystemExit) as left:
        verb(reported)
    assert (left.value.code, capsys.readouterr().err) == (2, line + "\n")
