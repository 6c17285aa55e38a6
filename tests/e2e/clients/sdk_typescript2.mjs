// One long-lived client object of the TypeScript SDK 2 (see sdk_clients.py).
// usage: sdk_typescript2.mjs http|sse|modern URL, or stdio COMMAND-AS-JSON-LIST, with POOLD_TEST_NODE_MODULES in the environment
import { pathToFileURL } from "node:url";
import { noted, obey } from "./orders.mjs";

const sdk = (file) =>
  import(pathToFileURL(`${process.env.POOLD_TEST_NODE_MODULES}/@modelcontextprotocol/client/dist/${file}`));
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = await sdk("index.mjs");
const { StdioClientTransport } = await sdk("stdio.mjs");
const [kind, url] = process.argv.slice(2);
const heard = [];
const mode = kind === "modern" ? { pin: "2026-07-28" } : "legacy";
const client = new Client({ name: "sdk-typescript", version: "2" }, { versionNegotiation: { mode } });
client.onerror = (e) => console.error("client:", e.message);
for (const method of ["notifications/tools/list_changed", "notifications/resources/updated"]) {
  client.setNotificationHandler(method, (n) => {
    heard.push(noted(n));
  });
}
const transport = () => {
  if (kind === "sse") return new SSEClientTransport(new URL(url));
  if (kind !== "stdio") return new StreamableHTTPClientTransport(new URL(url));
  const [command, ...args] = JSON.parse(url);
  return new StdioClientTransport({ command, args, env: process.env });
};
await client.connect(transport());
if (kind === "modern") {
  await client.listen({ toolsListChanged: true });
}
obey(client, heard, (params, options) => client.callTool(params, options));
