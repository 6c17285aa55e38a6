// server.mjs - the server that the conformance suites are run against, directly and through the
// front: both eras on one URL, or on stdio. The published suites bring none.
// usage: server.mjs --port N [--path /mcp] | --stdio
//   in a directory whose node_modules (or a parent's) hold @modelcontextprotocol/server and /node.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from "@modelcontextprotocol/node";
import {
  McpServer,
  ResourceTemplate,
  WebStandardStreamableHTTPServerTransport,
  createMcpHandler,
  createRequestStateCodec,
  isInitializeRequest,
  isLegacyRequest,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { offer } from "./offer.mjs";

const { values: options } = parseArgs({
  options: { port: { type: "string" }, path: { type: "string", default: "/mcp" }, stdio: { type: "boolean" } },
});

// The same key in every life, so that a call which is asked for again may reach another one.
const codec = createRequestStateCodec({ key: "a key that protects nothing but a test" });

/** A server with all that the suites ask for. announce(server, what): a list has changed. */
function makeServer(announce) {
  const server = new McpServer(
    { name: "conformance", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: codec.verify },
    },
  );
  offer(server, { mint: codec.mint, announce: (what) => announce(server, what) }, ResourceTemplate);
  for (const method of ["resources/subscribe", "resources/unsubscribe"]) {
    server.server.setRequestHandler(method, async () => ({}));
  }
  return server;
}
const announceItself = (server, what) => (what === "tools" ? server.sendToolListChanged() : server.sendPromptListChanged());

/** Events of all streams in their order, so that a stream that was closed can be gone on with. */
function eventStore() {
  const events = [];
  return {
    storeEvent: async (stream, message) => `${stream}_${events.push({ stream, message }) - 1}`,
    getStreamIdForEventId: async (id) => events[+id.slice(id.lastIndexOf("_") + 1)]?.stream,
    replayEventsAfter: async (id, { send }) => {
      const last = +id.slice(id.lastIndexOf("_") + 1);
      const { stream } = events[last];
      for (let i = last + 1; i < events.length; i++) {
        if (events[i].stream === stream && events[i].message.jsonrpc) {
          await send(`${stream}_${i}`, events[i].message);
        }
      }
      return stream;
    },
  };
}

// --- the handshake era: a transport and a server per session ---
const sessions = new Map();
const refuse = (status, message) =>
  Response.json({ jsonrpc: "2.0", id: null, error: { code: -32000, message } }, { status });

async function serveSessions(request, given) {
  const session = sessions.get(request.headers.get("mcp-session-id"));
  if (session) {
    // The revision is what the handshake agreed on: suite 0.1.16 names an older one in one scenario.
    const headers = new Headers(request.headers);
    headers.set("mcp-protocol-version", session.revision);
    return session.transport.handleRequest(new Request(request, { headers }), given);
  }
  if (request.headers.has("mcp-session-id")) {
    return refuse(404, "Session not found");
  }
  const body = request.method === "POST" ? await request.clone().json().catch(() => null) : null;
  if (!isInitializeRequest(body)) {
    return refuse(400, "No session: initialize first");
  }
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, { transport, revision: body.params.protocolVersion }),
    onsessionclosed: (id) => void sessions.delete(id),
    eventStore: eventStore(),
    retryInterval: 200,
  });
  await makeServer(announceItself).connect(transport);
  return transport.handleRequest(request, given);
}

function serveHttp(port, path) {
  // Revision 2026-07-28: a server per request; changes go to whoever listens.
  const modern = createMcpHandler(
    () => makeServer((server, what) => modern.notify[`${what}Changed`]()),
    { legacy: "reject" },
  );
  const both = toNodeHandler({
    fetch: async (request, given) =>
      (await isLegacyRequest(request)) ? serveSessions(request, given) : modern.fetch(request, given),
  });
  const checks = [localhostHostValidation(), localhostOriginValidation()];
  createServer((request, response) => {
    if (!checks.every((check) => check(request, response))) {
      return;
    }
    if (new URL(request.url, "http://localhost").pathname !== path) {
      response.writeHead(404).end();
      return;
    }
    void both(request, response);
  }).listen(port, "127.0.0.1");
}

if (options.stdio) {
  serveStdio(() => makeServer(announceItself));
} else {
  serveHttp(Number(options.port), options.path);
}
