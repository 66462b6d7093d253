import json

import pytest

from innkeep.errors import CODES
from innkeepd.server.http.errors import STATUS, error_body, error_record, fault_of


def test_only_wire_codes_have_a_status():
    assert set(STATUS) <= set(CODES)


@pytest.mark.parametrize(("code", "status"), [("never_fits", 404), ("out_of_memory", 500), ("on_hold", 503)])
def test_a_failure_gets_the_status_that_clients_act_on(code, status):
    assert fault_of(code, "words").status == status


@pytest.mark.parametrize("api", ["native", "openai", "responses", "messages"])
def test_every_api_is_told_in_its_own_shape(api):
    fault = fault_of("never_fits", "it takes 47 GB, the limit is 27 GB")
    body = json.loads(error_body(api, fault))
    assert fault.message in (body["error"] if api == "native" else body["error"]["message"])
    record = error_record(api, fault)
    told = json.loads(record.split(b"data: ")[-1])
    assert 404 in (told.get("status"), (told["error"] if api != "native" else {}).get("status"))
    assert record.endswith(b"\n" if api == "native" else b"\n\n")
