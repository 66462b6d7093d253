import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, connect, InnkeepError, socketPath } from "../index.js";
import { DONE, ROUTED, scripted } from "./scripted.js";

const code = (wanted) => (fault) => fault instanceof InnkeepError && fault.code === wanted;

test("connect greets the daemon and knows it", async (t) => {
  const { path, asked } = await scripted(t, ({ send }) => send({ type: "welcome", protocol: 1, daemon: "0.1.0", pid: 7 }));
  const client = await connect({ path });
  assert.deepEqual([client.daemon, client.pid], ["0.1.0", 7]);
  assert.deepEqual(asked, [{ type: "hello", protocol: 1, client: "innkeep-client (node)", id: 1 }]);
});

test("an answer is its pieces of text, and knows how it was routed and how it ended", async (t) => {
  const { path, asked } = await scripted(t, ({ send }) => {
    send(ROUTED);
    send({ type: "waiting", model: "m", position: 1 });
    send({ type: "delta", thinking: "hm" });
    send({ type: "delta", text: "왜" });
    send({ type: "delta", text: "냐면" });
    send(DONE);
  });
  const answer = new Client(path).chat("왜?", { role: "reasoning", patience: 5 });
  const pieces = [];
  for await (const piece of answer) pieces.push(piece);
  assert.deepEqual(pieces, ["왜", "냐면"]);
  assert.deepEqual([answer.text, answer.routed.request, answer.done.finish_reason], ["왜냐면", "r1", "stop"]);
  assert.deepEqual(asked, [
    { type: "chat", messages: [{ role: "user", content: "왜?" }], role: "reasoning", patience: 5, id: 1 },
  ]);
});

test("an answer that was not streamed has its text all the same", async (t) => {
  const { path } = await scripted(t, ({ send }) => (send(ROUTED), send({ ...DONE, text: "all" })));
  const client = new Client(path);
  assert.equal(await client.chat("x", { stream: false }).read(), "all");
  for await (const piece of client.chat("x", { stream: false })) assert.equal(piece, "all");
});

test("every reply can be seen as it comes", async (t) => {
  const { path } = await scripted(t, ({ send }) => (send(ROUTED), send({ type: "delta", text: "a" }), send(DONE)));
  const types = [];
  for await (const reply of new Client(path).chat([{ role: "user", content: "x" }]).replies()) types.push(reply.type);
  assert.deepEqual(types, ["routed", "delta", "done"]);
});

test("characters and messages that are cut anywhere are put together", async (t) => {
  const bytes = Buffer.from(JSON.stringify({ id: 1, type: "delta", text: "한글" }) + "\n" + JSON.stringify({ id: 1, ...DONE }) + "\n");
  const { path } = await scripted(t, async ({ socket }) => {
    for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
  });
  assert.equal(await new Client(path).chat("x").read(), "한글");
});

test("leaving the loop early closes the connection, which cancels", async (t) => {
  let closed;
  const { path } = await scripted(t, (talk) => {
    closed = talk.closed;
    talk.send({ type: "delta", text: "a" });
    talk.send({ type: "delta", text: "b" });
  });
  for await (const piece of new Client(path).chat("x")) {
    assert.equal(piece, "a");
    break;
  }
  await closed;
});

test("an answer can be cancelled while it waits", async (t) => {
  let closed;
  const { path } = await scripted(t, (talk) => {
    closed = talk.closed;
    talk.send({ type: "waiting", model: "m", position: 3 });
  });
  const answer = new Client(path).chat("x");
  await assert.rejects(async () => {
    for await (const reply of answer.replies()) if (reply.type === "waiting") setImmediate(() => answer.cancel());
  }, code("cancelled"));
  await closed;
});

test("a signal cancels, and its reason is what the caller gets", async (t) => {
  const { path } = await scripted(t, undefined);
  await assert.rejects(new Client(path).route("x", { signal: AbortSignal.timeout(20) }), { name: "TimeoutError" });
  await assert.rejects(new Client(path).status({ signal: AbortSignal.abort(new Error("gone")) }), { message: "gone" });
});

test("closing the client cancels what is open", async (t) => {
  let closed;
  const { path } = await scripted(t, (talk) => ((closed = talk.closed), talk.send(ROUTED)));
  const client = new Client(path);
  await assert.rejects(async () => {
    for await (const _ of client.chat("x").replies()) setImmediate(() => client.close());
  }, code("cancelled"));
  await closed;
});

test("an error is thrown with its code, whether to retry, and what had been told", async (t) => {
  const { path } = await scripted(t, ({ send }) => {
    send({ type: "delta", text: "half" });
    send({ type: "error", code: "stalled", message: "no token for 60 s", retryable: true, detail: { partial: true } });
  });
  const answer = new Client(path).chat("x");
  await assert.rejects(answer.read(), (fault) => {
    assert.deepEqual([fault.code, fault.retryable, fault.partial, fault.message], ["stalled", true, true, "no token for 60 s"]);
    return true;
  });
  assert.equal(answer.text, "half");
});

test("requests are open side by side, and none waits for another", async (t) => {
  let release;
  const { path } = await scripted(
    t,
    ({ send }) => (release = () => send({ ...DONE, text: "slow" })),
    ({ send }) => send({ type: "status", pid: 1 }),
  );
  const client = new Client(path);
  const slow = client.chat("x").read();
  while (!release) await new Promise(setImmediate);
  assert.equal((await client.status()).pid, 1);
  release();
  assert.equal(await slow, "slow");
});

test("route, models and embed ask for what they are named after", async (t) => {
  const { path, asked } = await scripted(t, ({ request, send }) => send({ type: request.type, embeddings: [[1]] }));
  const client = new Client(path);
  await client.route("a", { session: "s" });
  await client.route([{ role: "user", content: "b" }]);
  await client.models();
  assert.deepEqual(await client.embed("c", { model: "m" }), [[1]]);
  assert.deepEqual(asked, [
    { type: "route", text: "a", session: "s", id: 1 },
    { type: "route", messages: [{ role: "user", content: "b" }], id: 1 },
    { type: "models", id: 1 },
    { type: "embed", input: "c", model: "m", id: 1 },
  ]);
});

test("a watch goes on after its first status", async (t) => {
  const { path } = await scripted(t, ({ send }) => (send({ type: "status" }), send({ type: "event", kind: "memory" })));
  const types = [];
  for await (const reply of new Client(path).stream({ type: "watch" })) if (types.push(reply.type) === 2) break;
  assert.deepEqual(types, ["status", "event"]);
});

test("a daemon that goes away is not taken for the end of an answer", async (t) => {
  const { path } = await scripted(t, ({ send, socket }) => (send({ type: "delta", text: "a" }), socket.end()));
  await assert.rejects(new Client(path).chat("x").read(), code("connection_lost"));
});

test("what is no JSON and what has no end is refused", async (t) => {
  const { path } = await scripted(
    t,
    ({ socket }) => socket.write("hello\n"),
    ({ socket }) => socket.write(Buffer.alloc(17_000_000, 65)),
  );
  await assert.rejects(new Client(path).status(), code("bad_message"));
  await assert.rejects(new Client(path).status(), code("frame_too_large"));
});

test("no daemon is one clear line", async () => {
  await assert.rejects(connect({ path: "/nonexistent/innkeepd.sock" }), (fault) => {
    assert.ok(code("connection_failed")(fault) && fault.retryable);
    assert.match(fault.message, /^innkeepd is not running at \/nonexistent\/innkeepd\.sock: start it with/);
    return true;
  });
});

test("the socket is where the daemon puts it", () => {
  assert.equal(socketPath({ INNKEEP_SOCKET: "/s.sock", INNKEEP_HOME: "/h" }), "/s.sock");
  assert.equal(socketPath({ INNKEEP_HOME: "/h" }), "/h/innkeepd.sock");
  assert.match(socketPath({}), /\/\.innkeep\/innkeepd\.sock$/);
});
