// Uses npm's official clients, unmodified, and prints what they found as one JSON object.
// Arguments: the daemon's URL, and {chats, embeds, calls, thinks, endless, many} as JSON.
import { Ollama } from "ollama";
import OpenAI from "openai";

const url = process.argv[2];
const { chats, embeds, calls, thinks, endless, many } = JSON.parse(process.argv[3]);
const ollama = new Ollama({ host: url });
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "anything", maxRetries: 0 });
const hello = [{ role: "user", content: "hello there" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tool = { type: "function", function: { name: "weather", description: "The weather", parameters } };
const found = {};

found.names = (await ollama.list()).models.map((model) => model.name);
found.version = (await ollama.version()).version;
found.capabilities = (await ollama.show({ model: "auto" })).capabilities;
found.whole = (await ollama.chat({ model: chats, messages: hello, options: { seed: 1 } })).message.content;
found.running = (await ollama.ps()).models.map((model) => model.name);
found.pieces = [];
for await (const part of await ollama.chat({ model: chats, messages: hello, stream: true, options: { seed: 1 } }))
  found.pieces.push(part.message.content);
found.auto = (await ollama.chat({ model: "auto", messages: hello })).model;
found.tools = (await ollama.chat({ model: calls, messages: hello, tools: [tool] })).done;
found.thinking = (await ollama.chat({ model: thinks, messages: hello, think: true })).done;
found.embeddings = (await ollama.embed({ model: embeds, input: ["a", "b"] })).embeddings.map((each) => each.length);
found.missing = await ollama.chat({ model: "nope", messages: hello }).catch((error) => error.status_code);

const body = { model: chats, messages: hello, max_tokens: 12, seed: 1 };
found.openai = (await openai.chat.completions.create(body)).choices[0].message.content;
found.openaiPieces = [];
for await (const chunk of await openai.chat.completions.create({ ...body, stream: true }))
  found.openaiPieces.push(chunk.choices[0]?.delta?.content ?? "");
found.models = (await openai.models.list()).data.map((model) => model.id);
found.model = (await openai.models.retrieve(chats)).id;
found.floats = (await openai.embeddings.create({ model: embeds, input: "a" })).data[0].embedding.length;
found.response = (await openai.responses.create({ model: chats, input: "hello there" })).status;
found.events = [];
for await (const event of await openai.responses.create({ model: chats, input: "hello there", stream: true }))
  found.events.push(event.type);
found.openaiMissing = await openai.chat.completions.create({ ...body, model: "nope" }).catch((error) => error.status);

const long = { model: chats, messages: [{ role: "user", content: endless }], stream: true };
const native = await ollama.chat({ ...long, options: { num_predict: many } });
found.cancelled = await (async () => {
  for await (const part of native) if (part.message.content) native.abort();
})().catch((error) => error.name);
const stream = await openai.chat.completions.create({ ...long, max_tokens: many });
for await (const _ of stream) break;
found.left = true;

console.log(JSON.stringify(found));
