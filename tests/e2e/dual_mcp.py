#!/usr/bin/env python3
"""fake_mcp.py that remembers all requests and speaks 2026-07-28 too (not with FAKE_ERA=legacy; only that with
FAKE_ERA=modern).

More tools: seen (requests so far: method, header names, _meta keys, id), ask (input_required until it is
answered), change (a tool more, and who listens is told), log (a notice), lost (how many calls were taken
back), wait (until its client has gone, at most 10 s), missing (error -32002), touch (a resource was updated).
"""
import json
import os
import queue
import select
import socket
import sys

import fake_mcp

MODERN = "2026-07-28"
TAG = "io.modelcontextprotocol/subscriptionId"
is_legacy = os.environ.get("FAKE_ERA") == "legacy"
is_modern = os.environ.get("FAKE_ERA") == "modern"
seen, listens, lost = [], [], []
fake_mcp.TOOLS += [{"name": n, "description": n, "inputSchema": {"type": "object"}}
                   for n in ("seen", "ask", "change", "log", "lost", "wait", "missing", "touch", "twice", "cut", "storm")]
legacy_call = fake_mcp.call_tool


def to_all(message):
    for q in list(fake_mcp.sessions.values()):
        q.put(message)
    for filter, q in listens if message else []:
        if message["method"] == "notifications/tools/list_changed" and filter.get("toolsListChanged"):
            q.put(message)
        if message["method"] == "notifications/resources/updated" and \
                message["params"]["uri"] in filter.get("resourceSubscriptions", []):
            q.put(message)


def call_tool(name, arguments, progress, session):
    text = fake_mcp.text
    if name == "seen":
        return text(json.dumps(seen))
    if name == "lost":
        return text(str(len(lost)))
    if name == "change":
        fake_mcp.TOOLS.append({"name": f"more{len(fake_mcp.TOOLS)}", "inputSchema": {"type": "object"}})
        to_all({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        return text("changed")
    if name == "touch":
        to_all({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": arguments["uri"]}})
        return text("touched")
    if name == "cut":
        to_all(None)
        return text("cut")
    if name == "storm":
        for _ in range(arguments["n"]):
            to_all({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        return text("stormed")
    return legacy_call(name, arguments, progress, session)


fake_mcp.call_tool = call_tool


class Dual(fake_mcp.Handler):
    def post(self, message):
        session = self.headers.get("Mcp-Session-Id")
        meta = message.get("params", {}).get("_meta", {})
        seen.append({"method": message.get("method"), "session": session is not None, "meta": sorted(meta),
                     "id": message.get("id"), "params": message.get("params"),
                     "headers": sorted(h.lower() for h in self.headers if h.lower().startswith(("mcp-", "auth")))})
        if self.headers.get("MCP-Protocol-Version") == MODERN and not is_legacy:
            return self.modern(message)
        if is_modern:
            return self.send(400, {"jsonrpc": "2.0", "id": message.get("id"), "error": {
                "code": -32022, "message": "Unsupported protocol version", "data": {"supported": [MODERN]}}})
        if message.get("method") == "tools/call" and message["params"]["name"] in ("log", "wait", "missing", "twice"):
            return self.special(message)
        if message.get("method") == "notifications/cancelled":
            lost.append(message["params"]["requestId"])
        if message.get("method") == "resources/read" and session in fake_mcp.sessions:
            return self.send(200, {"jsonrpc": "2.0", "id": message["id"], "result": {"contents": []}})
        super().post(message)

    def special(self, message):
        name, reply = message["params"]["name"], {"jsonrpc": "2.0", "id": message["id"]}
        if name == "missing":
            return self.send(200, {**reply, "error": {"code": -32002, "message": "Resource not found", "data": 7}})
        self.start_stream()
        if name == "twice":
            self.event({**reply, "result": fake_mcp.text("first")})
            self.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": "x"}})
            self.event({**reply, "result": fake_mcp.text("second")})
            return self.chunk(b"")
        if name == "wait":
            fake_mcp.stop.wait(10)
        for level in ("debug", "warning"):
            self.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": "x"}})
        self.event({"jsonrpc": "2.0", "id": "q1", "method": "roots/list"})
        self.event({**reply, "result": fake_mcp.text("logged")})
        self.chunk(b"")

    def modern(self, message):
        method, params = message["method"], message.get("params", {})
        reply = {"jsonrpc": "2.0", "id": message["id"]}
        if method == "server/discover":
            result = {"supportedVersions": [MODERN], "instructions": "dual", "capabilities": {"tools": {}, "resources": {
                "subscribe": True}}, "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "dual", "version": "2"}}}
        elif method == "tools/list":
            result = {"tools": fake_mcp.TOOLS}
        elif method == "resources/list":
            result = {"resources": []}
        elif method == "subscriptions/listen":
            return self.listen(message)
        elif method == "tools/call" and params["name"] == "ask":
            if "inputResponses" not in params:
                return self.send(200, {**reply, "result": {"resultType": "input_required", "requestState": "s", "inputRequests": {
                    "r": {"method": "roots/list"}}}})
            result = fake_mcp.text(json.dumps([params["requestState"], params["inputResponses"]]))
        elif method == "tools/call" and params["name"] == "wait":
            return self.wait(reply)
        elif method == "tools/call" and params["name"] == "log":
            return self.log(reply, params["_meta"].get("io.modelcontextprotocol/logLevel"))
        elif method == "tools/call":
            result = call_tool(params["name"], params.get("arguments", {}), lambda *_: None, None)
        else:
            return self.send(404, {**reply, "error": {"code": -32601, "message": "Method not found"}})
        if method == "server/discover" and os.environ.get("FAKE_OPEN"):  # as an event, and the stream stays open
            self.start_stream()
            self.event({**reply, "result": {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **result}})
            fake_mcp.stop.wait()
            return
        if method != "tools/call":
            result = {"ttlMs": 60000, "cacheScope": "public", **result}
        self.send(200, {**reply, "result": {"resultType": "complete", **result}})

    def log(self, reply, level):
        self.start_stream()
        if level:
            self.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level, "data": "x"}})
        self.event({**reply, "result": {"resultType": "complete", **fake_mcp.text("logged")}})
        self.chunk(b"")

    def wait(self, reply):
        for _ in range(200):
            if select.select([self.connection], [], [], 0.05)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                lost.append(reply["id"])
                self.close_connection = True
                return
        self.send(200, {**reply, "result": {"resultType": "complete", **fake_mcp.text("waited")}})

    def listen(self, message):
        q, filter = queue.Queue(), message["params"]["notifications"]
        tag = {"_meta": {TAG: message["id"]}}
        listens.append((filter, q))
        self.start_stream()
        self.event({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                    "params": {**tag, "notifications": filter}})
        while not fake_mcp.stop.is_set():
            try:
                notice = q.get(timeout=0.5)
                self.event({**notice, "params": {**notice.get("params", {}), **tag}})
            except queue.Empty:
                continue
            except OSError:
                return


fake_mcp.Handler = Dual
if __name__ == "__main__":
    sys.exit(fake_mcp.main())
