#!/usr/bin/env python3
"""A server on the Python SDK, 1 or 2, that counts the sessions it keeps.

usage: era_server.py PORT
"""
import sys

try:
    from mcp.server.mcpserver import MCPServer as Server  # 2
    made, run = {}, {"port": int(sys.argv[1])}
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server  # 1
    made, run = {"port": int(sys.argv[1])}, {}

server = Server("era", **made)


@server.tool()
def sessions() -> str:
    return str(len(server.session_manager._server_instances))


server.run("streamable-http", **run)
