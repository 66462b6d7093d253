from xml.etree import ElementTree as ET

from innkeepd.simulate.chart import _clock, draw
from innkeepd.simulate.replay import Report, replay
from innkeepd.simulate.trace import Machine, MachineModel, TraceRequest

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = Machine(
    27.0,
    {
        "a<&b": MachineModel(20.0, True, 12.0, 1.0, 300, 13.0),
        "b": MachineModel(20.0, True, 12.0, 1.0, 300, 13.0),
        "huge": MachineModel(42.0, True, 12.0, 1.0, 300, 13.0),
    },
)


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}title")]


def test_the_picture_shows_each_stay_in_memory_and_each_wait():
    requests = [
        TraceRequest("one", "interactive", ["a<&b"], 0, 130, t=0.0),
        TraceRequest("two", "batch", ["b"], 0, 130, t=1.0),
        TraceRequest("gone", "agent", ["b"], 0, 130, t=2.0, cancel=3.0),
        TraceRequest("never", "agent", ["huge"], 0, 130, t=3.0),
    ]
    svg = draw(replay(requests, MACHINE), "a title & more")
    assert titles(svg) == [
        "a<&b loading, 0:00 to 0:12",
        "a<&b resident, 0:12 to 0:22",
        "a<&b unloading, 0:22 to 0:23",
        "b loading, 0:23 to 0:35",
        "b resident, 0:35 to 0:45",
        "one (interactive) came 0:00, waited 12 s",
        "one (interactive) came 0:00, waited 12 s",
        "two (batch) came 0:01, waited 34 s",
        "two (batch) came 0:01, waited 34 s",
        "gone (agent) came 0:02, waited 3 s",
        "never (agent) came 0:03, refused",
    ]
    words = [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]
    assert {"a title & more", "a<&b", "b", "0:00"} <= set(words)


def test_an_empty_run_is_an_empty_picture():
    assert titles(draw(Report([], 0), "nothing")) == []


def test_a_week_has_few_marks_on_its_axis():
    words = [element.text for element in ET.fromstring(draw(Report([], 0, end=7 * 86400.0), "week")).iter(f"{SVG}text")]
    assert len(words) < 40
    assert _clock(90061) == "25:01:01"
