import assert from "node:assert/strict";
import { test } from "node:test";

import { scripted } from "../../../clients/typescript/test/scripted.js";
import { byKeyword, oncePerRun, selectModel } from "../select-model.js";

test("the router's choice is taken, and it knows the conversation", async (t) => {
  const { path, asked } = await scripted(t, ({ send }) => send({ type: "route", role: "coding", model: "big:1" }));
  const chosen = await selectModel("promo code?", { socket: path, session: "agent:main" });
  assert.deepEqual(chosen, { model: "big:1", by: "innkeep" });
  assert.deepEqual(asked, [{ type: "route", text: "promo code?", session: "agent:main", id: 1 }]);
});

test("without a daemon the keywords choose", async () => {
  const chosen = await selectModel("refactor this", { socket: "/nonexistent/innkeepd.sock" });
  assert.deepEqual(chosen, { model: "qwen2.5-coder:32b", by: "keywords" });
});

test("a daemon that is slow or answers nonsense holds nobody up", async (t) => {
  const { path } = await scripted(t, undefined, ({ socket }) => socket.write("?\n"));
  for (const _ of ["slow", "nonsense"]) {
    assert.equal((await selectModel("왜?", { socket: path, timeoutMs: 30 })).by, "keywords");
  }
});

for (const [message, model] of [
  ["이 코드 좀 봐줘", "qwen2.5-coder:32b"],
  ["Debug it", "qwen2.5-coder:32b"],
  ["왜 하늘은 파란가?", "deepseek-r1:32b"],
  ["COMPARE them", "deepseek-r1:32b"],
  ["안녕", "llama3.3:latest"],
]) {
  test(`by keyword, "${message}" goes to ${model}`, () => assert.equal(byKeyword(message), model));
}

test("a run is overridden once, so that its fallback is the model that was configured", () => {
  const isFirst = oncePerRun();
  assert.deepEqual([isFirst("a"), isFirst("a"), isFirst("b"), isFirst("a")], [true, false, true, false]);
  assert.equal(isFirst(undefined), false);
});

test("old runs are forgotten", () => {
  const isFirst = oncePerRun(2);
  assert.deepEqual(["a", "b", "c", "a"].map(isFirst), [true, true, true, true]);
});
