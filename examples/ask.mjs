// Ask innkeep from Node 20 or later: node ask.mjs "why is the sky blue?"
import { connect, InnkeepError } from "../clients/typescript/index.js";

const question = process.argv.slice(2).join(" ") || "왜 하늘은 파란가?";
try {
  const client = await connect();
  for await (const reply of client.chat(question).replies()) {
    if (reply.type === "routed") console.error(`${reply.role}: ${reply.model} (${reply.reason})`);
    else if (reply.type === "waiting") console.error(`waiting: number ${reply.position}, ${reply.reason}`);
    else if (reply.type === "loading") console.error(`loading ${reply.model}: ${reply.elapsed.toFixed()} s`);
    else if (reply.type === "delta" && reply.text) process.stdout.write(reply.text);
  }
  process.stdout.write("\n");
} catch (error) {
  if (!(error instanceof InnkeepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
