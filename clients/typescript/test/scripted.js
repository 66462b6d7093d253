/** A daemon that answers from a script: for each connection, in turn, a function of the socket and the request. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export async function scripted(t, ...script) {
  const folder = await mkdtemp(join(tmpdir(), "innkeep-"));
  const path = join(folder, "d.sock");
  const asked = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const lines = createInterface(socket).on("error", () => {}); // a client that leaves is no error here
    lines.once("line", (line) => {
      const request = JSON.parse(line);
      asked.push(request);
      const answer = script.length > 1 ? script.shift() : script[0];
      answer?.({
        request,
        socket,
        send: (reply) => socket.write(JSON.stringify({ id: request.id, ...reply }) + "\n"),
        closed: new Promise((resolve) => socket.once("close", resolve)),
      });
    });
  });
  await new Promise((resolve) => server.listen(path, resolve));
  t.after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });
  return { path, asked };
}

export const ROUTED = {
  type: "routed", request: "r1", role: "general", confidence: 0.6, model: "m", candidates: ["m"], reason: "why",
};
export const DONE = {
  type: "done", model: "m", role: "general", finish_reason: "stop", usage: {}, timings: {}, attempts: [],
};
