// One long-lived client object of the TypeScript SDK 1 (see sdk_clients.py).
// usage: sdk_typescript.mjs http|sse URL, or stdio COMMAND-AS-JSON-LIST, with POOLD_TEST_NODE_MODULES in the environment
import { pathToFileURL } from "node:url";
import { noted, obey } from "./orders.mjs";

const sdk = (file) =>
  import(pathToFileURL(`${process.env.POOLD_TEST_NODE_MODULES}/@modelcontextprotocol/sdk/dist/esm/${file}`));
const { Client } = await sdk("client/index.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const { StdioClientTransport } = await sdk("client/stdio.js");
const { SSEClientTransport } = await sdk("client/sse.js");
const { ResourceUpdatedNotificationSchema, ToolListChangedNotificationSchema } = await sdk("types.js");

const [kind, url] = process.argv.slice(2);
const heard = [];
const client = new Client({ name: "sdk-typescript", version: "1" });
client.onerror = (e) => console.error("client:", e.message);
for (const schema of [ToolListChangedNotificationSchema, ResourceUpdatedNotificationSchema]) {
  client.setNotificationHandler(schema, (n) => {
    heard.push(noted(n));
  });
}
const transport = () => {
  if (kind === "http") return new StreamableHTTPClientTransport(new URL(url));
  if (kind === "sse") return new SSEClientTransport(new URL(url));
  const [command, ...args] = JSON.parse(url);
  return new StdioClientTransport({ command, args, env: process.env });
};
await client.connect(transport());
obey(client, heard, (params, options) => client.callTool(params, undefined, options));
