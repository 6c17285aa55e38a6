#!/usr/bin/env python3
"""A stdio MCP server that does many calls at once, obeys orders and tells what it was sent (test_stdio_shared.py).

Tools: echo (mark, seconds), steps (a progress message per step, whose message is the caller's mark), hear (the methods
and params it was sent, of all but tools/call and lists), say (writes a line as it is), ask (a request to the client,
its answer is the result), grow (one tool more, list_changed), touch (an update of a URI, to all), log (a message of a
level), emit (bytes as they are), big (an answer of so many bytes), twice (two answers), never (no answer; cancelled ones are in hear), whoami, exit.
"""
import asyncio
import json
import os
import sys

out = sys.stdout
heard, tools, levels, waiting = [], [], [], {}
NAMES = ("echo", "steps", "hear", "say", "ask", "grow", "touch", "log", "twice", "never", "whoami", "exit", "emit", "big")


def send(message):
    out.write(json.dumps(message) + "\n")
    out.flush()


def text(value):
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


def note(method, **params):
    send({"jsonrpc": "2.0", "method": method, "params": params})


async def call(message):
    params = message["params"]
    name, given = params["name"], params.get("arguments", {})
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    result = text(given.get("mark", ""))
    if name == "steps":
        for i in range(given["steps"]):
            await asyncio.sleep(given.get("seconds", 0))
            note("notifications/progress", progressToken=params["_meta"]["progressToken"], progress=i + 1,
                 message=given["mark"])
    elif name == "hear":
        result = text(heard)
    elif name == "say":
        out.write(given["line"].replace("@ID@", json.dumps(message["id"])) + "\n")
    elif name == "emit":
        out.flush()
        out.buffer.write(bytes.fromhex(given["hex"]) + b"\n")
        out.buffer.flush()
        if given.get("mute"):
            return
    elif name == "big":
        result = text("x" * given["bytes"])
        if given.get("id_last"):
            answer = {"result": result, **answer}
    elif name == "ask":
        future = waiting[given["id"]] = asyncio.get_running_loop().create_future()
        send({"jsonrpc": "2.0", "id": given["id"], "method": given["method"], "params": given.get("params", {})})
        result = text(await future)
    elif name == "grow":
        tools.append(given["name"]) if given.get("name") else None
        note("notifications/tools/list_changed")
    elif name == "touch":
        note("notifications/resources/updated", uri=given["uri"], _meta={"mark": given["mark"]})
    elif name == "log":
        note("notifications/message", level=given["level"], data=given["mark"])
    elif name == "never":
        heard.append({"never": message["id"]})
        return
    elif name == "whoami":
        result = text({"pid": os.getpid(), "cwd": os.getcwd(), "raw": message})
    elif name == "exit":
        os._exit(3)
    await asyncio.sleep(given.get("seconds", 0) if name != "steps" else 0)
    send({**answer, "result": result})
    if name == "twice":
        send({**answer, "result": text("the second answer")})
        note("notifications/progress", progressToken=params["_meta"]["progressToken"], progress=99)


def listing(message):
    cursor = message.get("params", {}).get("cursor")
    if message["method"] == "tools/list":
        return {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in (*NAMES, *tools)]}
    if message["method"] == "resources/list":
        return {"resources": [{"uri": f"x://{cursor or 'first'}", "name": "r"}],
                **({} if cursor else {"nextCursor": "page-2"})}
    return {"prompts": []} if message["method"] == "prompts/list" else {"resourceTemplates": []}


def request(message):
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        heard.append({method: params})
        return {"protocolVersion": "2025-06-18", "serverInfo": {"name": "stdio", "version": "1"},
                "capabilities": {"tools": {}, "resources": {"subscribe": True}, "logging": {}, "prompts": {},
                                 "tasks": {"list": {}}}}
    if method.endswith("/list"):
        heard.append({method: params})
        return listing(message)
    heard.append({method: params})
    if method == "resources/subscribe" and params["uri"].startswith("bad:"):
        return None
    return {"got": method, "params": params} if method.startswith("x/") else {}


def take(message):
    if "method" not in message:
        future = waiting.pop(message["id"], None)
        future and future.set_result(message)
    elif "id" not in message:
        heard.append({message["method"]: message.get("params", {})})
    elif message["method"] == "tools/call":
        task = asyncio.get_running_loop().create_task(call(message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    else:
        result = request(message)
        error = {"error": {"code": -32002, "message": "no such resource"}}
        send({"jsonrpc": "2.0", "id": message["id"], **({"result": result} if result is not None else error)})


tasks = set()


async def main():
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        take(json.loads(line))


asyncio.run(main())
