// offer.mjs - what the conformance suites ask a server for: the tools, prompts and resources that
// their scenarios name, in tables. How they are served is server.mjs's affair.
import { fromJsonSchema, inputRequired, inputResponse } from "@modelcontextprotocol/server";

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const text = (words) => ({ content: [{ type: "text", text: words }] });
const texts = (properties, required = Object.keys(properties)) => ({ type: "object", properties, required });

export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

// --- forms that clients are asked to fill in ---
const option = (value, title) => ({ const: value, title });
const three = (word) => ["1", "2", "3"].map((n) => word + n);
const DEFAULTS = texts(
  {
    name: { type: "string", description: "User name", default: "John Doe" },
    age: { type: "integer", description: "User age", default: 30 },
    score: { type: "number", description: "User score", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", description: "Verification status", default: true },
  },
  [],
);
const titled = (kind) => ["First", "Second", "Third"].map((nth, i) => option(`value${i + 1}`, `${nth} ${kind}`));
const ENUMS = texts(
  {
    untitledSingle: { type: "string", enum: three("option") },
    titledSingle: { type: "string", oneOf: titled("Option") },
    legacyEnum: { type: "string", enum: three("opt"), enumNames: ["Option One", "Option Two", "Option Three"] },
    untitledMulti: { type: "array", items: { type: "string", enum: three("option") } },
    titledMulti: { type: "array", items: { anyOf: titled("Choice") } },
  },
  [],
);
const USER = texts({
  username: { type: "string", description: "User's response" },
  email: { type: "string", description: "User's email address" },
});
// Ask as the handshake era does it: a request of the server's own in the middle of the call. This one
// comes on the stream of the call, that of test_sampling on the session's own stream.
const form = async (ctx, message, requestedSchema, label) => {
  const { action, content } = await ctx.mcpReq.send({
    method: "elicitation/create",
    params: { message, requestedSchema },
  });
  return text(`${label}: action=${action}, content=${JSON.stringify(content ?? {})}`);
};

// --- asking as revision 2026-07-28 does it: the answer names what is needed, the call comes again ---
const ask = (key, type = "string") => (message) =>
  inputRequired.elicit({ message, requestedSchema: texts({ [key]: { type } }) });
const sample = (question, maxTokens) =>
  inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text: question } }], maxTokens });
const given = (ctx, key) => inputResponse(ctx.mcpReq.inputResponses, key);
const accepted = (ctx, key) => given(ctx, key).kind === "elicit" && given(ctx, key).action === "accept";

// needs(requests, done): a handler that asks for all of requests, then answers with done(ctx).
// state: what it wants back signed, or undefined.
const needs =
  (requests, done, state) =>
  async (args, ctx, { mint }) => {
    const all = Object.keys(requests).every((key) => given(ctx, key).kind !== "missing");
    if (all && (state === undefined || ctx.mcpReq.requestState() === state)) {
      return done(ctx);
    }
    return inputRequired({ inputRequests: requests, ...(state && { requestState: await mint(state) }) });
  };

const confirm = { confirm: ask("ok", "boolean")("Please confirm") };
const user_name = ask("name")("What is your name?");

const multiRound = async (args, ctx, { mint }) => {
  const round = ctx.mcpReq.requestState();
  if (round === 2 && accepted(ctx, "step2")) {
    return text("Both steps are done.");
  }
  if (round === 1 && accepted(ctx, "step1")) {
    const step2 = ask("color")("Step 2: What is your favorite color?");
    return inputRequired({ inputRequests: { step2 }, requestState: await mint(2) });
  }
  const step1 = ask("name")("Step 1: What is your name?");
  return inputRequired({ inputRequests: { step1 }, requestState: await mint(1) });
};

// Only what this client has said it can do is asked for.
const asFarAsDeclared = async (args, ctx) => {
  const can = ctx.mcpReq.envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
  const requests = {
    ...(can.sampling && { question: sample("What is the capital of France?", 100) }),
    ...(can.elicitation && { user_name }),
  };
  const missing = Object.keys(requests).some((key) => given(ctx, key).kind === "missing");
  return missing ? inputRequired({ inputRequests: requests }) : text("Asked for what was declared.");
};

const logged = async (args, ctx) => {
  for (const step of ["started", "processing data", "completed"]) {
    await ctx.mcpReq.log("info", `Tool execution ${step}`, "conformance");
    await sleep(50);
  }
  return text("Tool with logging executed successfully");
};

const progressing = async (args, ctx) => {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  for (const progress of [0, 50, 100]) {
    if (progressToken !== undefined) {
      await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
    }
    await sleep(50);
  }
  return text("Tool with progress executed successfully");
};

// SEP-1699: the stream of the call is closed in the middle of it; its answer waits for the client.
const reconnecting = async (args, ctx) => {
  ctx.http?.closeSSE?.();
  await sleep(100);
  return text("The stream was closed in the middle, and here is the answer.");
};

const sampling = async ({ prompt }, ctx) => {
  const { content } = await ctx.mcpReq.requestSampling({
    messages: [{ role: "user", content: { type: "text", text: prompt } }],
    maxTokens: 100,
  });
  return text(`LLM response: ${content.text}`);
};

const SCHEMA_2020_12 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};
const MIRRORED = texts({ region: { type: "string", "x-mcp-header": "Region" }, query: { type: "string" } }, ["region"]);

// name: [description, handler(args, ctx, site), input schema]; site: { mint, announce } of server.mjs.
const IRR = "test_input_required_result_";
const TOOLS = {
  test_simple_text: ["Answers with a text", () => text("This is a simple text response for testing.")],
  test_image_content: ["Answers with an image", () => ({ content: [{ type: "image", data: PNG, mimeType: "image/png" }] })],
  test_audio_content: ["Answers with a sound", () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] })],
  test_embedded_resource: ["Answers with a resource", () => ({ content: [embedded("test://embedded-resource")] })],
  test_multiple_content_types: [
    "Answers with a text, an image and a resource",
    () => ({
      content: [
        { type: "text", text: "Multiple content types test:" },
        { type: "image", data: PNG, mimeType: "image/png" },
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
      ],
    }),
  ],
  test_tool_with_logging: ["Logs three times on its way", logged],
  test_logging_tool: ["Logs where the client asked for it", logged],
  test_tool_with_progress: ["Tells of its progress three times", progressing],
  test_error_handling: [
    "Always fails",
    () => {
      throw new Error("This tool intentionally returns an error for testing");
    },
  ],
  test_reconnection: ["Closes its stream before it answers", reconnecting],
  test_sampling: ["Asks the client's model", sampling, texts({ prompt: { type: "string" } })],
  test_elicitation: [
    "Asks the client's user",
    ({ message }, ctx) => form(ctx, message, USER, "User response"),
    texts({ message: { type: "string" } }),
  ],
  test_elicitation_sep1034_defaults: [
    "Asks with defaults of every type",
    (args, ctx) => form(ctx, "Please review the defaults", DEFAULTS, "Elicitation completed"),
  ],
  test_elicitation_sep1330_enums: [
    "Asks with every kind of choice",
    (args, ctx) => form(ctx, "Please choose", ENUMS, "Elicitation completed"),
  ],
  json_schema_2020_12_tool: ["Has a JSON Schema 2020-12 as its input", () => text("valid"), SCHEMA_2020_12],
  test_custom_headers: ["Has an argument that is mirrored in a header", ({ region }) => text(region), MIRRORED],
  test_missing_capability: ["Cannot do without sampling", needs({ question: sample("Hello?", 10) }, () => text("ok"))],
  test_streaming_elicitation: ["Cannot do without an answer of the user", needs({ user_name }, () => text("ok"))],
  test_trigger_tool_change: ["Makes the list of tools new", (args, ctx, site) => changed(site, "tools")],
  test_trigger_prompt_change: ["Makes the list of prompts new", (args, ctx, site) => changed(site, "prompts")],
  [`${IRR}elicitation`]: [
    "Asks for a name, then greets",
    async (args, ctx) =>
      accepted(ctx, "user_name")
        ? text(`Hello, ${given(ctx, "user_name").content.name}!`)
        : inputRequired({ inputRequests: { user_name } }),
  ],
  [`${IRR}sampling`]: [
    "Asks the model, then answers",
    needs({ capital_question: sample("What is the capital of France?", 100) }, (ctx) =>
      text(given(ctx, "capital_question").result.content.text),
    ),
  ],
  [`${IRR}list_roots`]: [
    "Asks for the roots, then names them",
    needs({ client_roots: inputRequired.listRoots() }, (ctx) =>
      text(
        given(ctx, "client_roots")
          .roots.map((root) => root.uri)
          .join(" "),
      ),
    ),
  ],
  [`${IRR}request_state`]: ["Wants its state back", needs(confirm, () => text("state-ok"), "state")],
  [`${IRR}tampered_state`]: ["Wants its state back untouched", needs(confirm, () => text("state-ok"), "untouched")],
  [`${IRR}multiple_inputs`]: [
    "Asks three kinds of things at once",
    needs(
      { user_name, greeting: sample("Generate a greeting", 50), client_roots: inputRequired.listRoots() },
      () => text("All were answered."),
      "three",
    ),
  ],
  [`${IRR}multi_round`]: ["Asks twice, one after the other", multiRound],
  [`${IRR}capabilities`]: ["Asks for what the client has declared", asFarAsDeclared],
};

const changed = (site, what) => {
  site.announce(what);
  return text(`${what}: changed`);
};
const embedded = (uri, mimeType = "text/plain", words = "This is an embedded resource content.") => ({
  type: "resource",
  resource: { uri, mimeType, text: words },
});

// --- prompts: name: [arguments, messages(args)] ---
const says = (content) => ({ role: "user", content: typeof content === "string" ? { type: "text", text: content } : content });
const PROMPTS = {
  test_simple_prompt: [[], () => [says("This is a simple prompt for testing.")]],
  test_prompt_with_arguments: [
    ["arg1", "arg2"],
    ({ arg1, arg2 }) => [says(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  ],
  test_prompt_with_embedded_resource: [
    ["resourceUri"],
    ({ resourceUri }) => [
      says(embedded(resourceUri, "text/plain", "Embedded resource content for testing.")),
      says("Please process the embedded resource above."),
    ],
  ],
  test_prompt_with_image: [
    [],
    () => [says({ type: "image", data: PNG, mimeType: "image/png" }), says("Please analyze the image above.")],
  ],
};

const user_context = ask("context")("What context should the prompt use?");
const contextual = (args, ctx) =>
  accepted(ctx, "user_context")
    ? { messages: [says(`Use this: ${given(ctx, "user_context").content.context}`)] }
    : inputRequired({ inputRequests: { user_context } });

// --- resources: uri: [mime type, content] ---
const RESOURCES = {
  "test://static-text": ["text/plain", { text: "This is the content of the static text resource." }],
  "test://static-binary": ["image/png", { blob: PNG }],
  "test://watched-resource": ["text/plain", { text: "Watched resource content" }],
};

/** Give server (an McpServer) all of it. site: { mint(state, ctx), announce("tools"|"prompts") }. */
export function offer(server, site, ResourceTemplate) {
  for (const [name, [description, handler, schema = texts({})]] of Object.entries(TOOLS)) {
    const handle = async (args, ctx) => handler(args, ctx, { ...site, mint: (state) => site.mint(state, ctx) });
    server.registerTool(name, { description, inputSchema: fromJsonSchema(schema) }, handle);
  }
  for (const [name, [names, messages]] of Object.entries(PROMPTS)) {
    const argsSchema = fromJsonSchema(texts(Object.fromEntries(names.map((n) => [n, { type: "string" }]))));
    const described = { description: `The prompt ${name}` };
    if (names.length) {
      server.registerPrompt(name, { ...described, argsSchema }, async (args) => ({ messages: messages(args) }));
    } else {
      server.registerPrompt(name, described, async () => ({ messages: messages() }));
    }
  }
  server.registerPrompt(`${IRR}prompt`, { description: "Asks for its context" }, async (ctx) => contextual({}, ctx));
  for (const [uri, [mimeType, content]] of Object.entries(RESOURCES)) {
    const described = { description: `The resource ${uri}`, mimeType };
    server.registerResource(uri.slice("test://".length), uri, described, async () => ({
      contents: [{ uri, mimeType, ...content }],
    }));
  }
  const template = new ResourceTemplate("test://template/{id}/data", { list: undefined });
  server.registerResource("template", template, { mimeType: "application/json" }, async (uri, { id }) => ({
    contents: [
      {
        uri: uri.href,
        mimeType: "application/json",
        text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
      },
    ],
  }));
  const completions = async () => ({ completion: { values: ["paris", "park", "party"], total: 3, hasMore: false } });
  server.server.setRequestHandler("completion/complete", completions);
}
