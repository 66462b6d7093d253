from innkeep.cli import main


def test_main_gives_the_exit_status(capsys):
    assert main(["--version"]) == 0
    assert main(["zzz"]) == 2
    assert "zzz" in capsys.readouterr().err


def test_main_reads_the_command_line_where_none_is_given(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["innkeep", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("innkeep ")
