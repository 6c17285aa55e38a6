"""The front against daemons and clients that behave oddly: framing, lifetimes, what is never repeated."""
import http.client
import json
import os
import signal
import socket
import struct
import sys
import threading
import time

import pytest

from conftest import HERE, wait_until
from mcp_client import Client, RpcError, Stream


def odd_server(*options, **entry):
    return {"command": sys.executable, "type": "http",
            "args": [str(HERE / "odd_mcp.py"), "--port", "${POOLD_PORT}", *options], **entry}


def open_client(pool, project_dir, **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(project_dir)}, **kw).open()


@pytest.fixture
def odd(pool, project):
    """odd(options) -> a client of a project whose daemon is odd."""
    def start(*options, **entry):
        a = project()
        pool.configure({"odd": odd_server(*options, **entry)}, startWaitSeconds=30)
        pool.ctl("ensure", a)
        return a
    return start


def test_a_json_answer_in_chunks_reaches_the_client(pool, odd):
    client = open_client(pool, odd(), timeout=10)
    assert client.call("chunked") == "chunked"
    assert client.seen["content-type"] == "application/json"
    assert client.call("echo") == "echo"


def test_a_slow_initialize_still_names_its_session(pool, project):
    pool.configure({"odd": odd_server("--initialize-delay", "11")})
    a = project()
    pool.ctl("ensure", a)
    client = open_client(pool, a)
    assert client.initialize_headers["content-type"] == "text/event-stream"
    assert client.call("echo") == "echo"


def test_a_failed_initialize_names_no_session(pool, odd):
    client = Client(pool.url + "/mcp", {"X-Poold-Project": str(odd("--handshakes", "1"))})
    with pytest.raises(RpcError, match="no more handshakes"):
        client.open()
    assert "mcp-session-id" not in client.seen
