/** Which model should answer a message: innkeep's router says, and the keywords of old where it is away. */
import { Client } from "../../clients/typescript/index.js";

const CODING = ["코드", "code", "function", "bug", "debug", "refactor"];
const REASONING = ["왜", "why", "analyze", "compare", "logic", "분석"];

/** Milliseconds that a message may be held up; the router takes about one. */
const PATIENCE = 300;

/**
 * @param {string} message
 * @param {{ socket?: string, timeoutMs?: number, session?: string }} [settings] `session` lets a short turn ("now in
 *   Rust") keep its conversation's role
 * @returns {Promise<{ model: string, by: "innkeep" | "keywords" }>} never rejects: a message must not fail for this
 */
export async function selectModel(message, { socket, timeoutMs = PATIENCE, session } = {}) {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const { model } = await new Client(socket).route(message, { session, signal });
    return { model, by: "innkeep" };
  } catch {
    return { model: byKeyword(message), by: "keywords" };
  }
}

/** @param {string} message */
export function byKeyword(message) {
  const lower = message.toLowerCase();
  if (CODING.some((word) => lower.includes(word))) return "qwen2.5-coder:32b";
  if (REASONING.some((word) => lower.includes(word))) return "deepseek-r1:32b";
  return "llama3.3:latest";
}

/**
 * True once for each run. OpenClaw calls the hook again for every fallback candidate, so a plugin that always answers
 * would put the model that just failed in the fallback's place, and the run would fail. A run without an id is left alone.
 *
 * @param {number} [remembered] runs
 * @returns {(runId: string | undefined) => boolean}
 */
export function oncePerRun(remembered = 1000) {
  const seen = new Set();
  return (runId) => {
    if (!runId || seen.has(runId)) return false;
    seen.add(runId);
    if (seen.size > remembered) seen.delete(seen.values().next().value);
    return true;
  };
}
