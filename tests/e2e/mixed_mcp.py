#!/usr/bin/env python3
"""A Streamable HTTP MCP server that does many calls at once and marks what it sends (for test_mixed.py).

Tools: echo (JSON), steps (SSE: one progress per step, whose message is the caller's mark), touch (an update of a
resource on the caller's own event stream, marked), whoami. What is sent before a session's stream is open waits
for it.
"""
import asyncio
import json
import sys
import uuid

sessions = {}  # id -> queue of what goes out on its stream
subscribed = {}  # id -> URIs


def reply(message, result):
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def text(value):
    return {"content": [{"type": "text", "text": value}]}


def chunk(value):
    data = b"event: message\ndata: " + json.dumps(value).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def head(status, *fields):
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode()


def plain(value, *fields):
    data = json.dumps(value).encode()
    return head("200 OK", "Content-Type: application/json", f"Content-Length: {len(data)}", *fields) + data


STREAM = head("200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked")


async def call(out, message, session):
    params = message["params"]
    name, given = params["name"], params.get("arguments", {})
    if name == "steps":
        out.write(STREAM)
        for i in range(given["steps"]):
            await asyncio.sleep(given["seconds"])
            out.write(chunk({"jsonrpc": "2.0", "method": "notifications/progress",
                             "params": {"progressToken": params["_meta"]["progressToken"], "progress": i + 1,
                                        "message": given["mark"]}}))
        out.write(chunk(reply(message, text(given["mark"]))) + b"0\r\n\r\n")
        return
    if name == "touch" and given["uri"] in subscribed[session]:
        sessions[session].put_nowait({"jsonrpc": "2.0", "method": "notifications/resources/updated",
                                      "params": {"uri": given["uri"], "_meta": {"mark": given["mark"]}}})
    await asyncio.sleep(given.get("seconds", 0))
    out.write(plain(reply(message, text(given["mark"]))))


async def post(out, message, session):
    method = message.get("method")
    if method == "initialize":
        session = uuid.uuid4().hex
        sessions[session], subscribed[session] = asyncio.Queue(), set()
        out.write(plain(reply(message, {
            "protocolVersion": message["params"]["protocolVersion"], "serverInfo": {"name": "mixed", "version": "1"},
            "capabilities": {"tools": {}, "resources": {"subscribe": True}}}), f"Mcp-Session-Id: {session}"))
    elif session not in sessions:
        out.write(head("404 Not Found", "Content-Length: 0"))
    elif "id" not in message or not method:
        out.write(head("202 Accepted", "Content-Length: 0"))
    elif method == "tools/call":
        await call(out, message, session)
    else:
        result = {}
        if method == "tools/list":
            result = {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in ("echo", "steps", "touch")]}
        elif method == "resources/subscribe":
            subscribed[session].add(message["params"]["uri"])
        elif method == "resources/list":
            result = {"resources": []}
        out.write(plain(reply(message, result)))


async def get(out, session):
    if session not in sessions:
        out.write(head("404 Not Found", "Content-Length: 0"))
        return
    out.write(STREAM)
    while True:
        out.write(chunk(await sessions[session].get()))
        await out.drain()


async def serve(inp, out):
    try:
        while True:
            lines = (await inp.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            body = await inp.readexactly(int(fields.get("content-length", 0)))
            session = fields.get("mcp-session-id")
            if lines[0].startswith("POST"):
                await post(out, json.loads(body), session)
            elif lines[0].startswith("GET"):
                await get(out, session)
            else:
                sessions.pop(session, None)
                out.write(head("200 OK", "Content-Length: 0"))
            await out.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        out.close()


async def main(port):
    async with await asyncio.start_server(serve, "127.0.0.1", port, backlog=256) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
