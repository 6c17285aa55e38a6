#!/usr/bin/env python3
"""A client of the Python SDK with every callback, which answers in its own name (see test_callbacks.py).

usage: callbacks_python.py http|sse URL NAME ROOT, driven by JSON lines
"""
import json
import sys

import anyio
from anyio import to_thread
from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

transport, url, name, root = sys.argv[1:]
heard = []


def say(value):
    print(json.dumps(value), flush=True)


async def sample(context, params):
    prompt = params.messages[0].content.text
    return types.CreateMessageResult(role="assistant", model=name, content=types.TextContent(
        type="text", text=f"{name} says: {prompt}"))


async def elicit(context, params):
    return types.ElicitResult(action="accept", content={"name": name})


async def roots(context):
    return types.ListRootsResult(roots=[types.Root(uri=f"file://{root}", name=name)])


async def log(params):
    heard.append(["log", str(params.data)])


async def hear(message):
    message = getattr(message, "root", message)
    method = getattr(message, "method", "")
    if method in ("notifications/resources/updated", "notifications/tools/list_changed"):
        uri = getattr(message.params, "uri", "") if message.params else ""
        heard.append([method.split("/", 1)[1], str(uri)])


async def do(session, order):
    if order["do"] == "heard":
        return heard
    if order["do"] == "subscribe":
        await session.subscribe_resource(order["uri"])
        return {}
    steps = []

    async def progress(value, total, message):
        steps.append(value)
    result = await session.call_tool(order["tool"], order["arguments"],
                                     progress_callback=progress if order["progress"] else None)
    return {"text": "\n".join(c.text for c in result.content if c.type == "text"), "progress": steps}


async def answer(session, order):
    try:
        say({"id": order["id"], "result": await do(session, order)})
    except Exception as e:
        say({"id": order["id"], "error": f"{type(e).__name__}: {e}"})


async def main():
    connect = streamable_http_client if transport == "http" else sse_client
    async with connect(url) as streams, ClientSession(
            streams[0], streams[1], sampling_callback=sample, elicitation_callback=elicit, list_roots_callback=roots,
            logging_callback=log, message_handler=hear) as session:
        handshake = await session.initialize()
        say({"id": 0, "result": {"instructions": handshake.instructions}})
        async with anyio.create_task_group() as tasks:
            while line := await to_thread.run_sync(sys.stdin.readline):
                tasks.start_soon(answer, session, json.loads(line))
            tasks.cancel_scope.cancel()


anyio.run(main)
