// One long-lived client object of the TypeScript SDK 2 (see sdk_clients.py).
// usage: sdk_typescript2.mjs http|sse|modern URL, with POOLD_TEST_NODE_MODULES in the environment
import { pathToFileURL } from "node:url";
import { noted, obey } from "./orders.mjs";

const { Client, SSEClientTransport, StreamableHTTPClientTransport } = await import(
  pathToFileURL(`${process.env.POOLD_TEST_NODE_MODULES}/@modelcontextprotocol/client/dist/index.mjs`)
);
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
await client.connect(
  new (kind === "sse" ? SSEClientTransport : StreamableHTTPClientTransport)(new URL(url)),
);
if (kind === "modern") {
  await client.listen({ toolsListChanged: true });
}
obey(client, heard, (params, options) => client.callTool(params, options));
