#!/usr/bin/env python3
"""One long-lived client object of the Python SDK, driven by JSON lines (see test_sdk_clients.py).

usage: sdk_python.py http|sse URL
"""
import json
import sys

import anyio
from anyio import to_thread
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client


def say(value):
    print(json.dumps(value), flush=True)


async def do(session, order, heard):
    name = order["do"]
    if name == "list":
        return [tool.name for tool in (await session.list_tools()).tools]
    if name == "heard":
        return heard
    if name == "call":
        steps = []

        async def progress(value, total, message):
            steps.append(value)
        result = await session.call_tool(order["tool"], order["arguments"],
                                         progress_callback=progress if order["progress"] else None)
        return {"text": result.content[0].text, "progress": steps}
    raise ValueError(name)


async def answer(session, order, heard):
    try:
        say({"id": order["id"], "result": await do(session, order, heard)})
    except Exception as e:
        say({"id": order["id"], "error": f"{type(e).__name__}: {e}"})


async def main(transport, url):
    heard = []

    async def hear(message):
        # What this SDK hands over differs by version: a notification, or one in a wrapper.
        message = getattr(message, "root", message)
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            heard.append(message.method)
    connect = streamable_http_client if transport == "http" else sse_client
    async with connect(url) as streams, ClientSession(streams[0], streams[1], message_handler=hear) as session:
        handshake = await session.initialize()
        say({"id": 0, "result": handshake.instructions})
        async with anyio.create_task_group() as tasks:
            while line := await to_thread.run_sync(sys.stdin.readline):
                tasks.start_soon(answer, session, json.loads(line), heard)
            tasks.cancel_scope.cancel()


anyio.run(main, *sys.argv[1:])
