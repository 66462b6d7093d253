import shutil
import socket
import tempfile
from argparse import Namespace
from pathlib import Path

import pytest

from innkeep.cli import ask
from innkeep.cli.lazy import GREETING, PATIENT_GREETING, load_verb, open_client
from innkeep.errors import ConnectionFailed


def test_a_verb_is_its_module():
    assert load_verb("ask") is ask


def test_the_client_goes_to_the_socket_of_the_command_line():
    with open_client(Namespace(socket="/run/d.sock")) as client:
        assert str(client.path) == "/run/d.sock"


def test_a_command_ends_where_launchd_listens_and_no_daemon_answers():
    folder = Path(tempfile.mkdtemp(prefix="ik"))
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(str(folder / "d.sock"))
        holder.listen()
        with (
            open_client(Namespace(socket=folder / "d.sock"), 0.05) as client,
            pytest.raises(ConnectionFailed, match=r"d\.sock takes connections .* within 0\.05 s.*service status"),
        ):
            client.status()
    shutil.rmtree(folder)


def test_a_control_verb_waits_five_seconds_and_a_chat_longer():
    with open_client(Namespace(socket="/run/d.sock")) as client:
        assert client.greet_within == GREETING == 5.0
    assert PATIENT_GREETING > 30
