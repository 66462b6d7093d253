from innkeepd.clients.documents import MISSING, Match
from innkeepd.clients.edit import Entry
from innkeepd.connect.journal import Written, path_of, read, write


def test_what_is_written_is_read_again(tmp_path):
    file = path_of(tmp_path, "x")
    entries = [Entry(("a", Match("id", "auto"), "n"), MISSING, 1), Entry(("b",), None, "c")]
    written = {"/f": Written("json", "00", "/f.bak", False, entries, [("a",)])}
    write(file, written)
    again = read(file)
    assert again == written
    assert again["/f"].entries[0].before is MISSING
    write(file, {})
    assert not file.exists()
    assert read(file) == {}
