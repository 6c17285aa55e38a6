#!/usr/bin/env python3
"""One long-lived client object of the Python SDK, 1 or 2, driven by JSON lines (see sdk_clients.py).

usage: sdk_python.py http|sse|modern URL
       sdk_python.py stdio COMMAND-AS-JSON-LIST
"""
import json
import os
import sys
from contextlib import asynccontextmanager, suppress

import anyio
from anyio import to_thread
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


def say(value):
    print(json.dumps(value), flush=True)


def noted(message):
    """What a notification is remembered as: its method, or the resource and what the server marked it with."""
    # What is handed over differs by version: a notification, or one in a wrapper.
    message = getattr(message, "root", message)
    method = getattr(message, "method", "")
    if method == "notifications/resources/updated":
        meta = getattr(message.params, "meta", None)
        mark = meta.get("mark") if isinstance(meta, dict) else getattr(meta, "mark", None)
        return f"{message.params.uri} {mark}"
    return method if method == "notifications/tools/list_changed" else None


async def do(session, order, heard):
    name = order["do"]
    if name == "list":
        return [tool.name for tool in (await session.list_tools()).tools]
    if name == "heard":
        return heard
    if name == "subscribe":
        await session.subscribe_resource(order["uri"])
        return {}
    if name == "call":
        steps, messages = [], []

        async def progress(value, total, message):
            steps.append(value)
            messages.append(message)
        result = await session.call_tool(order["tool"], order["arguments"],
                                         progress_callback=progress if order["progress"] else None)
        return {"text": result.content[0].text, "progress": steps, "messages": messages}
    raise ValueError(name)


async def answer(session, order, heard):
    try:
        say({"id": order["id"], "result": await do(session, order, heard)})
    except Exception as e:
        say({"id": order["id"], "error": f"{type(e).__name__}: {e}"})


async def obey(session, instructions, heard):
    """Until stdin ends."""
    say({"id": 0, "result": {"instructions": instructions}})
    async with anyio.create_task_group() as tasks:
        while line := await to_thread.run_sync(sys.stdin.readline):
            tasks.start_soon(answer, session, json.loads(line), heard)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def modern(url, heard):
    """The client object of SDK 2 that speaks the revision 2026-07-28, and its stream of changes."""
    from mcp import Client
    from mcp.client.subscriptions import SubscriptionLost
    async with Client(url) as client, anyio.create_task_group() as tasks:
        async def listen():
            while True:  # the SDK leaves that to its user
                with suppress(SubscriptionLost):
                    async with client.listen(tools_list_changed=True) as changes:
                        ready.set()
                        async for _ in changes:
                            heard.append("notifications/tools/list_changed")
                await anyio.sleep(0.1)
        ready = anyio.Event()
        tasks.start_soon(listen)
        await ready.wait()
        yield client
        tasks.cancel_scope.cancel()


async def main(kind, url):
    heard = []

    async def hear(message):
        if note := noted(message):
            heard.append(note)
    if kind == "modern":
        async with modern(url, heard) as client:
            assert client.protocol_version == "2026-07-28"
            await obey(client, client.instructions, heard)
        return
    if kind == "stdio":
        command, *words = json.loads(url)
        connection = stdio_client(StdioServerParameters(command=command, args=words, env=dict(os.environ)))
    else:
        connection = (sse_client if kind == "sse" else streamable_http_client)(url)
    async with connection as streams, ClientSession(streams[0], streams[1], message_handler=hear) as session:
        handshake = await session.initialize()
        await obey(session, handshake.instructions, heard)


anyio.run(main, *sys.argv[1:])
