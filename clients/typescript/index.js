/**
 * The daemon from Node: protocol 1 in its dialect of lines, one JSON object each, over a Unix socket. No dependency.
 *
 * Each request has a connection of its own. So a slow reader slows only itself (the socket's own flow control reaches
 * the model), and to cancel is to close: the daemon takes a closed connection as that.
 */
import { createConnection } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

export const PROTOCOL = 1;

/** Bytes of the longest line that either side sends. */
const LONGEST = 16_777_215;

/** Replies after which more follow; any other one ends its request, but for the first `status` of a `watch`. */
const PROGRESS = new Set(["routed", "waiting", "loading", "started", "delta", "event"]);

/** What went wrong: `code` is stable and for programs, `message` is one line for a person. */
export class InnkeepError extends Error {
  constructor(code, message, { retryable = false, detail = {}, cause } = {}) {
    super(message, { cause });
    this.name = "InnkeepError";
    this.code = code;
    this.retryable = retryable;
    this.detail = detail;
  }

  /** Whether text had already been told when it failed. */
  get partial() {
    return this.detail.partial === true;
  }
}

/** `$INNKEEP_SOCKET`, else `innkeepd.sock` in `$INNKEEP_HOME`, else in `~/.innkeep`. */
export function socketPath(env = process.env) {
  const expand = (path) => path.replace(/^~(?=\/|$)/, homedir());
  return env.INNKEEP_SOCKET ? expand(env.INNKEEP_SOCKET) : join(expand(env.INNKEEP_HOME || "~/.innkeep"), "innkeepd.sock");
}

/** Greet the daemon; rejects with `connection_failed` where none answers, `unsupported_protocol` where it is older. */
export async function connect({ path = socketPath(), signal } = {}) {
  const client = new Client(path);
  const welcome = await client.request({ type: "hello", protocol: PROTOCOL, client: "innkeep-client (node)" }, { signal });
  client.daemon = welcome.daemon;
  client.pid = welcome.pid;
  return client;
}

export class Client {
  #open = new Set();

  constructor(path = socketPath()) {
    this.path = path;
    this.daemon = undefined;
    this.pid = undefined;
  }

  /** Ask a model. Iterate over the answer for its text; leaving the loop early cancels it. */
  chat(prompt, { signal, ...options } = {}) {
    return new Answer(this, { type: "chat", messages: turns(prompt), ...options }, signal);
  }

  /** Where a prompt would go and why; nothing is loaded. */
  route(prompt, { signal, session } = {}) {
    const what = typeof prompt === "string" ? { text: prompt } : { messages: prompt };
    return this.request({ type: "route", ...what, session }, { signal });
  }

  /** One snapshot: what is in memory, what is changing, who waits. */
  status({ signal } = {}) {
    return this.request({ type: "status" }, { signal });
  }

  /** What is known of every model, and which one is selected. */
  models({ signal } = {}) {
    return this.request({ type: "models" }, { signal });
  }

  /** Vectors of a text or several. */
  async embed(input, { model, signal }) {
    return (await this.request({ type: "embed", input, model }, { signal })).embeddings;
  }

  /** Send any request of the protocol; the reply that ends it. */
  async request(request, options) {
    let last;
    for await (const reply of this.stream(request, options)) last = reply;
    return last;
  }

  /** Send any request of the protocol; every reply, the last one included. Leaving the loop early cancels it. */
  async *stream(request, { signal } = {}) {
    const id = 1;
    const socket = await dial(this.path, signal);
    const abort = () => socket.destroy(signal.reason);
    this.#open.add(socket);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      socket.write(JSON.stringify({ ...request, id }) + "\n");
      for await (const reply of replies(socket, this.path)) {
        if (reply.type === "error") throw new InnkeepError(reply.code, reply.message, reply);
        yield reply;
        if (request.type !== "watch" && !PROGRESS.has(reply.type)) return;
      }
      throw new InnkeepError("connection_lost", `innkeepd at ${this.path} went away in mid-answer`, { retryable: true });
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#open.delete(socket);
      socket.destroy();
    }
  }

  /** Cancel whatever is open. */
  close() {
    for (const socket of this.#open) socket.destroy(new InnkeepError("cancelled", "the client was closed"));
  }
}

/** A chat's answer; it is asked when it is first read. */
export class Answer {
  #replies;
  #left = new AbortController();
  #pieces = [];

  constructor(client, request, signal) {
    const both = signal ? AbortSignal.any([signal, this.#left.signal]) : this.#left.signal;
    this.#replies = client.stream(request, { signal: both });
    /** Where it went and why, once that is known. */
    this.routed = undefined;
    /** How it ended: model, usage, timings, attempts. */
    this.done = undefined;
  }

  /** The text so far. */
  get text() {
    return this.#pieces.join("");
  }

  async *[Symbol.asyncIterator]() {
    for await (const reply of this.#replies) {
      const piece = this.#note(reply);
      if (piece) yield piece;
    }
  }

  /** Every reply: `routed`, `waiting`, `loading`, `started`, `delta`, `done`. */
  async *replies() {
    for await (const reply of this.#replies) {
      this.#note(reply);
      yield reply;
    }
  }

  /** Wait for the rest; the whole text. */
  async read() {
    for await (const _ of this.replies());
    return this.text;
  }

  /** Stop it from elsewhere, even while it waits; whoever reads it gets an error with the code `cancelled`. */
  cancel() {
    this.#left.abort(new InnkeepError("cancelled", "the answer was cancelled"));
  }

  /** Keep what a reply says; the text that it adds. `done` has the text where nothing was streamed. */
  #note(reply) {
    let piece;
    if (reply.type === "delta") piece = reply.text;
    else if (reply.type === "routed") this.routed = reply;
    else if (reply.type === "done") {
      this.done = reply;
      piece = this.#pieces.length ? undefined : reply.text;
    }
    if (piece) this.#pieces.push(piece);
    return piece;
  }
}

const turns = (prompt) => (typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt);

/** An open connection, or the reason why there is none. */
function dial(path, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const socket = createConnection(path);
    socket.on("error", () => {}); // whoever reads gets it; with no listener at all Node would end the process
    const abort = () => socket.destroy(signal.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const settled = () => signal?.removeEventListener("abort", abort);
    socket.once("connect", () => (settled(), resolve(socket)));
    socket.once("error", (fault) => (settled(), reject(fault.syscall === "connect" ? unreachable(path, fault) : fault)));
  });
}

/** What the daemon sends, message by message. */
async function* replies(socket, path) {
  let held = [];
  let size = 0;
  try {
    for await (const chunk of socket) {
      let from = 0;
      for (let end; (end = chunk.indexOf(10, from)) >= 0; from = end + 1) {
        held.push(chunk.subarray(from, end));
        yield parsed(Buffer.concat(held).toString("utf8"));
        held = [];
        size = 0;
      }
      held.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > LONGEST) throw new InnkeepError("frame_too_large", `innkeepd sent a line of more than ${LONGEST} bytes`);
    }
  } catch (fault) {
    if (fault?.code !== "ECONNRESET" && fault?.code !== "EPIPE") throw fault;
    throw new InnkeepError("connection_lost", `innkeepd at ${path} went away`, { retryable: true, cause: fault });
  }
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new InnkeepError("bad_message", "innkeepd sent a line that is not JSON", { cause });
  }
}

function unreachable(path, cause) {
  const why = {
    EACCES: `${path} is another user's socket; set INNKEEP_SOCKET or INNKEEP_HOME to yours`,
    EPERM: `${path} is another user's socket; set INNKEEP_SOCKET or INNKEEP_HOME to yours`,
    EAGAIN: `innkeepd at ${path} takes no connections; \`innkeep service restart\` starts it again`,
  }[cause.code];
  const usual = `innkeepd is not running at ${path}: start it with \`innkeep service start\` or \`innkeepd run\``;
  return new InnkeepError("connection_failed", why ?? usual, { retryable: true, cause });
}
