// One long-lived client object of the TypeScript SDK, driven by JSON lines (see test_sdk_clients.py).
// usage: sdk_typescript.mjs http|sse URL, with POOLD_TEST_NODE_MODULES in the environment
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const sdk = (file) =>
  import(pathToFileURL(`${process.env.POOLD_TEST_NODE_MODULES}/@modelcontextprotocol/sdk/dist/esm/${file}`));
const { Client } = await sdk("client/index.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const { SSEClientTransport } = await sdk("client/sse.js");
const { ToolListChangedNotificationSchema } = await sdk("types.js");

const [kind, url] = process.argv.slice(2);
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const heard = [];
const client = new Client({ name: "sdk-typescript", version: "1" });
client.onerror = (e) => console.error("client:", e.message);
client.setNotificationHandler(ToolListChangedNotificationSchema, (n) => {
  heard.push(n.method);
});

const orders = {
  list: async () => (await client.listTools()).tools.map((tool) => tool.name),
  heard: async () => heard,
  call: async ({ tool, arguments: given, progress }) => {
    const steps = [];
    const options = progress ? { onprogress: (p) => steps.push(p.progress) } : {};
    const result = await client.callTool({ name: tool, arguments: given }, undefined, options);
    return { text: result.content[0].text, progress: steps };
  },
};

await client.connect(
  new (kind === "http" ? StreamableHTTPClientTransport : SSEClientTransport)(new URL(url)),
);
say({ id: 0, result: client.getInstructions() });
createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const order = JSON.parse(line);
    try {
      say({ id: order.id, result: await orders[order.do](order) });
    } catch (e) {
      say({ id: order.id, error: `${e.name}: ${e.message}` });
    }
  })
  .on("close", () => process.exit(0));
