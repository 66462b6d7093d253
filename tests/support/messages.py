"""One or more examples of every message of protocol 1: as golden frames, in the reference page, and for round-trips."""

from innkeep import wire

_TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
_CALL = {"function": {"name": "weather", "arguments": {"city": "서울"}}}

REQUESTS: list[wire.Request] = [
    wire.Hello(id=1, protocol=1, client="innkeep"),
    wire.Chat(id=2, messages=[wire.Message("user", "왜 하늘은 파란가?")]),
    wire.Chat(
        id=3,
        messages=[
            wire.Message("system", "Be brief."),
            wire.Message("user", "What is this?", images=["iVBORw0KGgo="]),
            wire.Message("assistant", "", thinking="Let me look.", tool_calls=[_CALL]),
            wire.Message("tool", "21 °C", tool_name="weather", tool_call_id="call_1"),
        ],
        model="qwen2.5-coder:32b",
        fallbacks=["llama3.1:8b"],
        role="coding",
        stream=False,
        options={"temperature": 0.2, "num_ctx": 8192, "stop": ["END"]},
        tools=[_TOOL],
        format={"type": "object"},
        think="high",
        priority="agent",
        patience=20.0,
        deadline=300.0,
        session="s-1",
        last=True,
    ),
    wire.Chat(id=4, messages=[wire.Message("user", "hi")], format="json", think=False, priority="batch"),
    wire.Embed(id=5, model="nomic-embed-text:latest", input="one"),
    wire.Embed(id=6, model="nomic-embed-text:latest", input=["one", "two"]),
    wire.RouteAsk(id=7, text="fix this bug"),
    wire.RouteAsk(id=8, messages=[wire.Message("user", "fix this bug")], session="s-1"),
    wire.Cancel(id=9, target=2),
    wire.StatusAsk(id=10),
    wire.Watch(id=11),
    wire.Watch(id=12, kinds=["residency", "memory"]),
    wire.ModelsAsk(id=13),
    wire.Select(id=14, model=None),
    wire.Select(id=15, model="deepseek-r1:32b", role="reasoning"),
    wire.Load(id=16, model="llama3.1:8b"),
    wire.Unload(id=17, model="llama3.1:8b"),
    wire.Unload(id=18, all=True),
    wire.Pin(id=19, model="llama3.1:8b"),
    wire.Unpin(id=20, model="llama3.1:8b"),
    wire.Hold(id=21, seconds=1800.0, why="video call"),
    wire.Resume(id=22),
    wire.HistoryAsk(id=23),
    wire.HistoryAsk(id=24, limit=1, request="3f9a01"),
    wire.Feedback(id=25, request="3f9a01", role="general"),
    wire.Shutdown(id=26),
    wire.Shutdown(id=9_007_199_254_740_991, drain=5.0),
    wire.StatsAsk(id=27),
]

REPLIES: list[wire.Reply] = [
    wire.Welcome(id=1, protocol=1, daemon="0.1.0", pid=4711),
    wire.Routed(
        id=2,
        request="3f9a01",
        role="reasoning",
        confidence=0.8,
        model="deepseek-r1:32b",
        candidates=["deepseek-r1:32b", "llama3.1:8b"],
        reason="the word 왜",
    ),
    wire.Waiting(
        id=2, model="deepseek-r1:32b", position=1, ahead=0, resident=["qwen2.5-coder:32b"], expected=None, reason="busy"
    ),
    wire.Waiting(
        id=2, model="deepseek-r1:32b", position=2, ahead=1, resident=[], expected=12.5, reason="on hold", until=1.8e9
    ),
    wire.Loading(id=2, model="deepseek-r1:32b", unloading=["qwen2.5-coder:32b"], elapsed=0.0),
    wire.Loading(id=2, model="deepseek-r1:32b", unloading=[], elapsed=3.5, expected=11.0),
    wire.Started(id=2, model="deepseek-r1:32b", attempt=1),
    wire.Started(
        id=2, model="llama3.1:8b", attempt=2, after=wire.Failed("deepseek-r1:32b", "load_failed", "no room for it")
    ),
    wire.Delta(id=2, text="빛이 "),
    wire.Delta(id=2, thinking="Rayleigh"),
    wire.Delta(id=2, tool_calls=[_CALL]),
    wire.Done(
        id=2,
        model="llama3.1:8b",
        role="reasoning",
        finish_reason="stop",
        usage=wire.Usage(20, 7),
        timings=wire.Timings(queued=12.0, swap=11.0, first_token=0.5, total=14.0, tokens_per_second=11.2),
        attempts=[
            wire.AttemptRecord("deepseek-r1:32b", "failed", "load_failed", 3.0, "no room for it"),
            wire.AttemptRecord("llama3.1:8b", "answered", seconds=2.0),
        ],
    ),
    wire.Done(
        id=3,
        model="qwen2.5-coder:32b",
        role="coding",
        finish_reason="length",
        usage=wire.Usage(),
        timings=wire.Timings(),
        attempts=[],
        text="whole",
        thinking="thought",
        tool_calls=[_CALL],
    ),
    wire.Embeddings(id=5, model="nomic-embed-text:latest", embeddings=[[0.25, -0.5]]),
    wire.RouteReply(
        id=7, role="coding", confidence=0.9, model="qwen2.5-coder:32b", candidates=["qwen2.5-coder:32b"], reason="bug"
    ),
    wire.Cancelled(id=9, target=2, found=True),
    wire.Status(
        id=10,
        protocol=1,
        daemon="0.1.0",
        pid=4711,
        uptime=7830.0,
        backend=wire.BackendState("http://127.0.0.1:11434", reachable=True, version="0.17.4"),
        memory=wire.MemoryState(38_654_705_664, 28_991_029_248, 3_221_225_472, "normal", "vm_stat"),
        resident=[
            wire.Resident(
                "qwen2.5-coder:32b",
                "heavy",
                22_548_578_304,
                8192,
                1,
                pinned=True,
                owned=False,
                since=1.7e9,
                expires=1.8e9,
            )
        ],
        changing=[wire.Changing("llama3.1:8b", "loading", 1.5, 4.0)],
        waiting=[wire.Waiter("3f9a01", "llama3.1:8b", "batch", 2.5)],
        oldest_wait=2.5,
        selected="qwen2.5-coder:32b",
        held_until=1.8e9,
        counters=wire.Counters(1, 2, 3, 4, 5, 6, 7),
        awake="an answer is running",
        warnings=["Ollama is older than 0.6"],
    ),
    wire.Event(id=11, kind="residency", at=1.7e9, what="loaded", data={"model": "llama3.1:8b", "took": 3.5}),
    wire.Models(
        id=13,
        models=[
            wire.ModelState(
                "llama3.1:8b",
                4_920_753_328,
                8_030_261_248,
                "Q4_K_M",
                ["general"],
                "light",
                6_442_450_944,
                "fits",
                "5.0 GB of 27.0 GiB",
                context=4096,
                estimates=wire.Estimates(load=wire.Estimate(3.5, 4), footprints={"4096": wire.Estimate(6.4e9, 2)}),
            )
        ],
        selected=None,
    ),
    wire.Selected(id=15, model="deepseek-r1:32b", role="reasoning"),
    wire.Loaded(id=16, model="llama3.1:8b", took=3.5),
    wire.Unloaded(id=17, model="llama3.1:8b", took=0.8),
    wire.Unloaded(id=18, model=None, took=1.8),
    wire.Pinned(id=19, model="llama3.1:8b"),
    wire.Unpinned(id=20, model="llama3.1:8b"),
    wire.Held(id=21, until=1.8e9),
    wire.Resumed(id=22),
    wire.History(
        id=23, records=[wire.DecisionRecord(id="3f9a01", outcome="answered", timings=wire.Timings(total=14.0))]
    ),
    wire.Noted(id=25, request="3f9a01"),
    wire.Stopping(id=26, drain=20.0),
    wire.Error(id=None, code="bad_message", message="a message is one JSON map with string keys"),
    wire.Error(id=3, code="never_fits", message="42.5 GB of 27.0 GiB", retryable=False, detail={"attempts": []}),
    wire.Error(id=2, code="stalled", message="no token for 60 s", retryable=True, detail={"partial": True}),
    wire.Stats(id=8, shadow=True, routing=[wire.ShadowCount("a", "coding", "b", 2)]),
]
