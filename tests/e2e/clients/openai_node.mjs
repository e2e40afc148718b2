// OpenAI's SDK for Node. Run where `openai` is installed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENT_MODULES, "x.js"));
const { OpenAI, NotFoundError } = require("openai");
const V1 = process.env.CLIENT_BASE_URL + "/v1";
const client = new OpenAI({ baseURL: V1, apiKey: process.env.CLIENT_API_KEY, maxRetries: 0 });
const SAY = 'SAY:Grüße, 世界 🌍: so twigs grow\n\nand "quotes" too';
const SCHEMA = { type: "object", properties: { city: { type: "string" } } };
const IMAGE =
  "data:image/png;base64," +
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const ask = (content, more = {}) =>
  client.chat.completions.create({ model: "standin-chat", messages: [{ role: "user", content }], ...more });

const cases = {
  plain: async () => (await ask(SAY)).choices[0].message.content,
  stream: async () => {
    const said = [];
    for await (const chunk of await ask(SAY, { stream: true })) said.push(chunk.choices[0]?.delta?.content ?? null);
    return said;
  },
  tools: async () => {
    const tools = [{ type: "function", function: { name: "weather", parameters: SCHEMA } }];
    const answer = await ask('use the tool ARGS:{"city": "Grünstraße"}', { tools });
    return answer.choices[0].message.tool_calls[0].function.arguments;
  },
  "structured output": async () => {
    const response_format = { type: "json_schema", json_schema: { name: "city", schema: SCHEMA } };
    return (await ask('SAY:{"city": "Ulm"}', { response_format })).choices[0].message.content;
  },
  image: async () => {
    const parts = [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: IMAGE } }];
    return (await ask(parts)).choices[0].message.content;
  },
  embeddings: async () => (await client.embeddings.create({ model: "m", input: ["a"] })).data[0].embedding,
  responses: async () => (await client.responses.create({ model: "m", input: SAY })).output_text,
  error: async () => {
    try {
      await ask("x", { model: "standin-404" });
    } catch (err) {
      return err instanceof NotFoundError ? "NotFoundError" : String(err);
    }
  },
  "break off": async () => {
    const stream = await ask(SAY, { stream: true });
    for await (const chunk of stream) return chunk.choices[0].delta.role;
  },
};

const results = {};
for (const [name, run] of Object.entries(cases)) {
  try {
    results[name] = await run();
  } catch (err) {
    results[name] = String(err);
    (results.failed ??= []).push(name);
  }
}
const manifest = join(process.env.CLIENT_MODULES, "node_modules/openai/package.json");
console.log(JSON.stringify({ version: JSON.parse(readFileSync(manifest)).version, results }));
