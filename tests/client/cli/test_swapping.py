from argparse import Namespace

from innkeep import wire
from innkeep.cli.swapping import follow_swap
from innkeep.cli.terminal import Terminal
from support.cli_daemon import Stream


def test_the_reply_that_ends_a_swap_is_given(daemon):
    daemon.script[wire.Load] = lambda ask: [
        wire.Loading(id=0, model=ask.model, unloading=[], elapsed=0.0),
        wire.Loaded(id=0, model=ask.model, took=3.0),
    ]
    terminal = Terminal(Stream(tty=False), Stream(tty=True), {"TERM": "dumb"})
    end = follow_swap(wire.Load(id=0, model="m"), Namespace(socket=str(daemon.path), json=False, verb="load"), terminal)
    assert isinstance(end, wire.Loaded)
    assert terminal.err.getvalue() == "load m: waiting for running answers, 0 s\nloading m  0 s\n"
