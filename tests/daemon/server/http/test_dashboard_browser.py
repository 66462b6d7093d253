"""The dashboard in a real, headless Chromium: what a person sees, presses and does not have to wait for."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from innkeep import wire
from innkeepd.store import sqlite
from support.innkeepd import ROOT, Daemon

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: `make lint` installs it")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Chromium: apt-get install chromium chromium-driver"),
    # Selenium leaves its driver's pipe to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
)  # fmt: skip
QWEN, DEEPSEEK, LLAMA8 = "qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.1:8b"
WITHIN = 30.0
PICTURE = ROOT / "docs" / "dashboard.png"


class Page:
    """One tab, and what it asked of the network."""

    def __init__(self, driver):
        self.driver = driver

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def until(self, script, *args, within=WITHIN):
        """The first truthy answer of a script."""
        deadline = time.monotonic() + within
        while not (found := self.run(script, *args)):
            assert time.monotonic() < deadline, (script, args, self.text())
            self.driver.execute_async_script("setTimeout(arguments[0], 50)")
        return found

    def text(self):
        return self.run("return document.body.innerText")

    def press(self, selector):
        self.until("return document.querySelector(arguments[0])", selector)
        self.run("document.querySelector(arguments[0]).click()", selector)

    def requested(self):
        """Every address that was asked for since the last look."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in {"Network.requestWillBeSent", "Network.webSocketCreated"}:
                found.append(message["params"].get("request", message["params"])["url"])
        return found

    def complaints(self):
        return [each["message"] for each in self.driver.get_log("browser")]


def _turn(ago):
    """Whose turn it was so many seconds ago, as ``timeline`` has it."""
    return int((3600 - ago) // 360) % 2


def history(home, count):
    """A day of ``count`` requests, and a slow one among them."""
    database = sqlite.connect(home / "state.sqlite3")
    now, models = time.time(), (QWEN, DEEPSEEK)
    records = [
        wire.DecisionRecord(
            id=f"{number:08x}",
            asked_at=now - 86_000 + number * 86_000 / count,
            role="coding",
            model=models[_turn(86_000 - number * 86_000 / count)],
            outcome="answered",
            completion_tokens=200,
            timings=wire.Timings(1.0 + number % 7, 0.0, 0.3 + number % 10 / 10, 9.0 + number % 5, 12.5),
            attempts=[wire.AttemptRecord(models[_turn(86_000 - number * 86_000 / count)], "answered")],
        )
        for number in range(count)
    ]
    slow = wire.DecisionRecord(
        id="51077777",
        asked_at=now - 300,
        role="reasoning",
        confidence=0.9,
        reason="the words 'step by step'",
        model=DEEPSEEK,
        outcome="answered",
        completion_tokens=310,
        client="innkeep 0.1.0",
        waits=[f"{QWEN} was answering 2 requests"],
        evicted=[QWEN],
        timings=wire.Timings(26.9, 12.7, 2.1, 41.0, 12.5),
        attempts=[wire.AttemptRecord(DEEPSEEK, "answered", None, 14.1)],
    )
    rows = [(each.id, each.asked_at, msgspec.json.encode(each).decode()) for each in [*records, slow]]
    database.execute("BEGIN")
    sqlite.write_records(database, rows)
    sqlite.write_state(database, timeline(now))
    database.execute("COMMIT")
    database.close()


def timeline(now):
    """Who held the memory in the last hour, as ``store.timeline`` keeps it: two models that take turns."""
    rows, models = [], (QWEN, DEEPSEEK)
    for number, at in enumerate(range(-3600, -240, 360)):
        mine = models[number % 2]
        rows += [[now + at, "loading", mine, None, None], [now + at + 12, "loaded", mine, 12.0, None]]
        rows += [[now + at + 350, "unloading", mine, None, "eviction"], [now + at + 351, "unloaded", mine, 1.0, None]]
    hours = sorted({int(row[0] // 3600) for row in rows})
    facts = [("timeline", json.dumps(hours))]
    of_hour = {hour: json.dumps([row for row in rows if row[0] // 3600 == hour]) for hour in hours}
    return [*facts, *((f"timeline:{hour}", text) for hour, text in of_hour.items())]


@pytest.fixture(scope="module")
def daemon():
    one = Daemon(speed=30.0)
    history(one.home, 4999)
    with one:
        yield one


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    one = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    one.set_script_timeout(WITHIN)
    yield one
    one.quit()


@pytest.fixture
def page(daemon, driver):
    driver.set_window_size(1280, 1000)
    driver.get(f"{daemon.url}/ui/")
    one = Page(driver)
    one.until("return state && requests.length > 0 && models.length > 0")
    yield one
    assert one.complaints() == []
    mine = (daemon.url, "data:", "chrome:")
    assert [url for url in one.requested() if not url.startswith(mine)] == []
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def chat(daemon, model):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": False}
    daemon.json("POST", "/api/chat", body)


def test_the_slow_request_is_explained_in_two_clicks(page):
    page.press("#slowest")
    page.press("#requests td button")
    page.until("return document.getElementById('story').open")
    told = page.run("return document.getElementById('story').innerText")
    assert "Why did this take 41 s?" in told
    assert f"Waited 27 s in the queue: {QWEN} was answering 2 requests" in told
    assert f"Unloaded for it: {QWEN}" in told
    assert "13 s of the wait went into swapping models" in told
    assert "First token 2.1 s after it was granted" in told


def test_a_swap_shows_without_a_reload(page, daemon):
    chat(daemon, QWEN)
    page.until("return state.resident.some(one => one.name === arguments[0])", QWEN)
    before = page.run("return requests.length && requests[0][0]")
    chat(daemon, DEEPSEEK)
    page.until("return state.resident.some(one => one.name === arguments[0])", DEEPSEEK)
    page.until("return requests[0][0] !== arguments[0] && requests[0][5] === arguments[1]", before, DEEPSEEK)
    page.until("return timeline.some(one => one[1] === 'unloaded' && one[2] === arguments[0])", QWEN)
    assert page.until("return spans().find(one => one[0] === arguments[0] && one[2])", DEEPSEEK)
    assert "eviction" in page.run("return document.getElementById('reasons').innerText")


def test_every_button_does_what_it_says(page, daemon):
    held = "return state.resident.some(one => one.name === arguments[0])"
    if page.run(held, LLAMA8):
        page.press(f'[data-verb=unload][data-model="{LLAMA8}"]')
        page.until("return !state.resident.some(one => one.name === arguments[0])", LLAMA8)
    page.press(f'[data-verb=load][data-model="{LLAMA8}"]')
    page.until(held, LLAMA8)
    page.press(f'[data-verb=pin][data-model="{LLAMA8}"]')
    page.until("return state.pins.includes(arguments[0])", LLAMA8)
    page.press(f'[data-verb=unpin][data-model="{LLAMA8}"]')
    page.until("return !state.pins.includes(arguments[0])", LLAMA8)
    page.press(f'[data-verb=unload][data-model="{LLAMA8}"]')
    page.until("return !state.resident.some(one => one.name === arguments[0])", LLAMA8)
    page.press("#hold")
    page.until("return state.held_until && state.resident.length === 0")
    page.press("#hold")
    page.until("return !state.held_until")
    assert page.run("return document.getElementById('problem').hidden")


def test_five_thousand_requests_of_a_day_are_drawn_within_200_ms(page):
    assert page.run("return requests.length") >= 5000
    page.run("width = 86400; end = null")
    once = "const began = performance.now(); draw(); return performance.now() - began"
    times = [page.run(once) for _ in range(5)]
    assert page.run("return hits.length") >= 4900
    assert min(times) < 200, times


def test_it_speaks_korean_and_keeps_the_choice(page):
    page.run("const s = document.getElementById('language'); s.value = 'ko'; s.dispatchEvent(new Event('change'))")
    assert "메모리를 차지한 모델" in page.text()
    page.driver.refresh()
    page.until("return state && document.documentElement.lang === 'ko'")
    assert "대기열" in page.text()
    assert page.run("return Object.keys(TEXT.en).sort()") == page.run("return Object.keys(TEXT.ko).sort()")
    page.run("localStorage.clear()")


@pytest.mark.parametrize("width", [360, 768, 3840])
def test_nothing_is_wider_than_the_window(page, width):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        page.run("dispatchEvent(new Event('resize'))")
        assert page.run("return [innerWidth, document.documentElement.scrollWidth <= innerWidth]") == [width, True]
        assert page.run("return document.getElementById('timeline').clientWidth") > width * 0.55
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_timeline_is_moved_by_keys(page):
    key = "document.getElementById('timeline').dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0]}))"
    page.run("width = 3600; end = null")
    page.run(key, "+")
    assert page.run("return width") == 1800
    page.run(key, "ArrowLeft")
    assert page.run("return end") < time.time() - 400
    page.run(key, "Home")
    assert page.run("return end") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, scheme):
    axe = _axe()
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.run(axe.read_text(encoding="utf-8"))
    found = page.driver.execute_async_script("axe.run().then(arguments[0])")
    serious = [each for each in found["violations"] if each["impact"] in {"serious", "critical"}]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious] == []
    assert page.run("return getComputedStyle(document.body).transitionDuration") == "0s"


def test_a_picture_for_the_docs(page, daemon):
    for model in (QWEN, DEEPSEEK, QWEN, LLAMA8):
        chat(daemon, model)
    page.run("width = 3600; end = null; draw(); drawZoom()")
    page.until("return requests[0][5] === arguments[0]", LLAMA8)
    if os.environ.get("INNKEEP_PICTURES"):
        page.driver.save_screenshot(str(PICTURE))


def _axe():
    """axe-core of npm, from a folder beside the tree's caches."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "innkeep" / "npm-axe-core-4"
    found = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not found.exists():
        if shutil.which("npm") is None:
            pytest.skip("no npm: axe-core is not tried")
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4"]
        if subprocess.run(command, capture_output=True, check=False, timeout=120).returncode:
            pytest.skip("npm could not install axe-core")
    return found
