import subprocess
import sys
from argparse import Namespace

from innkeep.cli import ask
from innkeep.cli.door import load_verb, open_client


def test_a_verb_is_its_module():
    assert load_verb("ask") is ask


def test_the_client_goes_to_the_socket_of_the_command_line():
    with open_client(Namespace(socket="/run/d.sock")) as client:
        assert str(client.path) == "/run/d.sock"


def test_msgspec_is_imported_without_what_it_can_do_without():
    script = """
import sys
from innkeep.cli.door import import_msgspec
import_msgspec()
print("msgspec" in sys.modules, "typing_extensions" in sys.modules)
import typing_extensions
import_msgspec()
print("typing_extensions" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "True False\nTrue\n"


def test_messages_decode_without_it_too():
    script = """
from innkeep.cli.door import import_msgspec
import_msgspec()
import msgspec
from innkeep import wire
print(msgspec.json.decode(b'{"type":"cancel","id":1,"target":2}', type=wire.Request))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "Cancel(target=2, id=1)\n"
