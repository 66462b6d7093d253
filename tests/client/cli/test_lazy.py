from argparse import Namespace

from innkeep.cli import ask
from innkeep.cli.lazy import load_verb, open_client


def test_a_verb_is_its_module():
    assert load_verb("ask") is ask


def test_the_client_goes_to_the_socket_of_the_command_line():
    with open_client(Namespace(socket="/run/d.sock")) as client:
        assert str(client.path) == "/run/d.sock"
