import shutil
import socket
import subprocess
import sys
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


def test_messages_decode_without_what_msgspec_can_do_without():
    script = """
import sys
from argparse import Namespace
from innkeep.cli.lazy import open_client
open_client(Namespace(socket="/nonexistent"))
print("typing_extensions" in sys.modules)
import msgspec, typing_extensions
from innkeep import wire
print(msgspec.json.decode(b'{"type":"cancel","id":1,"target":2}', type=wire.Request))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\nCancel(target=2, id=1)\n"
