// OpenAI's SDK for Node. Run where `openai` is installed (CLIENT_MODULES); asks what the clients in Python are asked.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.CLIENT_MODULES, "x.js"));
const { OpenAI } = require("openai");
const SAY = 'SAY:Grüße, 世界 🌍: so twigs grow\n\nand "quotes" too';
const SCHEMA = { type: "object", properties: { city: { type: "string" } } };
const PATIENCE_MS = 200;
const IMAGE =
  "data:image/png;base64," +
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const outcome = async (call) => {
  try {
    await call();
    return "answered";
  } catch (err) {
    return err.constructor.name;
  }
};
const raised = async (call) => {
  const name = await outcome(call);
  if (name === "answered") throw new Error("was answered");
  return name;
};

const cases = ({ root, key }) => {
  const client = new OpenAI({ baseURL: root + "/v1", apiKey: key, maxRetries: 0 });
  const ask = (content, more = {}, options = {}) =>
    client.chat.completions.create({ model: "standin-chat", messages: [{ role: "user", content }], ...more }, options);
  return {
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
    error: () => raised(() => ask("x", { model: "standin-404" })),
    timeout: () => raised(() => ask("x", { model: "standin-slow" }, { timeout: PATIENCE_MS })),
    "break off": async () => {
      const stream = await ask(SAY, { stream: true });
      for await (const chunk of stream) return chunk.choices[0].delta.role;
    },
    refusal: () => outcome(() => ask("my card is 4111 1111 1111 1111")),
  };
};

const run = async (named) => {
  const results = {};
  for (const [name, one] of Object.entries(named)) {
    try {
      results[name] = await one();
    } catch (err) {
      results[name] = String(err);
      (results.failed ??= []).push(name);
    }
  }
  return results;
};

const results = [];
for (const target of JSON.parse(process.env.CLIENT_TARGETS)) results.push(await run(cases(target)));
const manifest = join(process.env.CLIENT_MODULES, "node_modules/openai/package.json");
console.log(JSON.stringify({ version: JSON.parse(readFileSync(manifest)).version, results }));
