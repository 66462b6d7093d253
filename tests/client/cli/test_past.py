import pytest

from innkeep import wire
from innkeep.cli.past import find_record
from innkeep.errors import BadRequest
from support.cli_daemon import a_record


class Past:
    def __init__(self, *records):
        self.records = records

    def history(self, *, limit, request=None):
        found = [one for one in self.records if request is None or one.id.startswith(request)]
        return wire.History(id=0, records=found[:limit])


def test_an_exact_id_wins_over_longer_ones():
    assert find_record(Past(a_record(id="3"), a_record(id="33")), "3").id == "3"


@pytest.mark.parametrize("name", ["", " ", "zz", "last"])
def test_what_names_nothing_is_refused(name):
    with pytest.raises(BadRequest):
        find_record(Past(), name)
