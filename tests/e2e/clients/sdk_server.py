#!/usr/bin/env python3
"""A server on the Python SDK 2 (Streamable HTTP in both eras, or stdio), with the tools of fake_mcp.py that live clients need.

usage: sdk_server.py PORT|stdio PROJECT [json]
"""
import json
import os
import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer

port, project = sys.argv[1:3]
server = MCPServer("sdk", instructions="the real thing", log_level="WARNING")
sessions = []  # of those that have called whoami


@server.tool()
async def whoami(context: Context) -> str:
    sessions.append(context.session)
    return json.dumps({"project": project, "pid": os.getpid()})


@server.tool()
async def echo(text: str) -> str:
    return text


@server.tool()
async def slow(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "done"


@server.tool()
async def notify(context: Context, all: bool = False) -> str:
    """tools/list_changed to who asks, or to all sessions that ever called whoami."""
    await context.notify_tools_changed()
    for session in sessions if all else [context.session]:
        await session.send_tool_list_changed()
    return "sent"

if port == "stdio":
    server.run("stdio")
else:
    server.run("streamable-http", host="127.0.0.1", port=int(port), json_response="json" in sys.argv[3:])
