from innkeep.cli import bench_files
from innkeep.cli.bench_result import Bench


def test_runs_are_kept_the_newest_fifty_and_only_this_machines_are_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("INNKEEP_HOME", str(tmp_path))
    for number in range(60):
        bench_files.save(Bench(at=1_700_000_000.0 + number, machine="Mac", total=36 if number % 2 else 64))
    (tmp_path / "bench" / "20990101-000000.json").write_text("damaged")
    found = bench_files.earlier(Bench(at=1_700_000_058.0, machine="Mac", total=36))
    assert len(list((tmp_path / "bench").glob("*.json"))) == 51
    assert found[0].at == 1_700_000_057.0
    assert all(one.total == 36 for one in found)
    assert (tmp_path / "bench").stat().st_mode & 0o077 == 0
