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


class Stopped:
    """poold does nothing in the meantime: what happens then, it finds all at once."""

    def __init__(self, pool):
        self.pid = pool.pid()

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def reset(sock):
    """Close with a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_a_client_that_resets_while_the_api_streams_does_no_harm(pool, odd):
    a = odd()
    key = pool.daemon(a)["projectKey"]
    file = next(f for f in (pool.state / "logs").rglob("*.log") if f.name != "poold.log")
    with file.open("a") as out:
        out.write(("a" * 99 + "\n") * 100_000)
    for _ in range(8):
        s = socket.create_connection(("127.0.0.1", pool.port), timeout=10)
        s.sendall(f"GET /api/v1/logs?project={key}&lines=100000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b" 200 " in s.recv(100)
        for _ in range(5):
            s.recv(65536)
        with Stopped(pool):
            reset(s)
    assert Client(pool.url + "/mcp").request("ping") == {}


def test_head_requests_have_no_body(pool):
    pool.start()
    c = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=5)
    for path, status in (("/api/v1/health", 200), ("/mcp", 405), ("/api/v1/health", 200), ("/nothing", 404)):
        c.request("HEAD", path)
        r = c.getresponse()
        assert (r.status, r.read()) == (status, b"")
    c.request("GET", "/api/v1/health")
    assert json.loads(c.getresponse().read())


def test_nothing_leaks_when_poold_ends_while_somebody_follows_a_log(pool, odd):
    a = odd()
    s = socket.create_connection(("127.0.0.1", pool.port), timeout=10)
    key = pool.daemon(a)["projectKey"]
    s.sendall(f"GET /api/v1/logs?project={key}&follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert b" 200 " in s.recv(100)
    pool.ctl("shutdown")
    pool.check_sanitizers()


def exchange(s, client, message):
    """One POST over a raw socket: everything that comes within a moment."""
    body = json.dumps(message).encode()
    s.sendall(f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nMcp-Session-Id: "
              f"{client.session}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    answer, s_timeout = b"", 5
    try:
        while True:
            s.settimeout(s_timeout)
            chunk = s.recv(65536)
            if not chunk:
                return answer
            answer, s_timeout = answer + chunk, 0.3
    except TimeoutError:
        return answer


def test_bytes_behind_an_answer_do_not_reach_the_client(pool, odd):
    client = open_client(pool, odd(), timeout=10)
    with socket.create_connection(("127.0.0.1", pool.port)) as s:
        answer = exchange(s, client, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "junk"}})
    assert answer.count(b"HTTP/1.1 200") == 1 and b"forged" not in answer
    assert b'"id":1,"error"' in answer and b"empty" in answer


def test_a_call_that_a_living_daemon_took_without_answering_is_not_repeated(pool, odd):
    client = open_client(pool, odd(), timeout=10)
    client.call("echo")  # the connection to the daemon is a kept one now
    with pytest.raises(RpcError, match="may have run"):
        client.call("hang_up")
    assert json.loads(client.call("count"))["hang_up"] == 1


def test_what_is_left_of_a_refused_request_is_not_read_as_another(pool, odd):
    a = odd()
    client = open_client(pool, a, timeout=10)
    with pytest.raises(RpcError, match="413"):
        client.call("early", text="x" * 4_000_000)
    assert client.call("echo") == "echo"


def read_until(s, word):
    """The bytes of a raw socket up to this word."""
    seen = b""
    while word not in seen:
        chunk = s.recv(65536)
        assert chunk, seen
        seen += chunk
    return seen


def open_sse(pool, project_dir):
    """(socket of the stream, client that posts) of HTTP+SSE, after the handshake."""
    s = socket.create_connection(("127.0.0.1", pool.port), timeout=10)
    s.sendall(f"GET /sse?project={project_dir} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    endpoint = read_until(s, b"session_id").split(b"data: ")[1].split()[0].decode()
    poster = Client(pool.url + endpoint)
    poster.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}})
    read_until(s, b'"id":0')
    return s, poster


def test_a_handshake_that_an_sse_daemon_refuses_is_an_error(pool, odd):
    a = odd("--sse", "--handshakes", "1", type="sse")
    with pytest.raises(RpcError, match="no more handshakes"):
        open_client(pool, a, timeout=10)
    assert Client(pool.url + "/mcp").request("ping") == {}


@pytest.mark.parametrize("daemon", ["http", "sse"])
def test_a_client_that_resets_as_its_answer_comes_does_no_harm(pool, odd, daemon):
    a = odd(*["--sse"] if daemon == "sse" else [], type=daemon)
    for _ in range(5):
        stream, poster = open_sse(pool, a)
        poster.connection.request("POST", poster.path, json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}}),
            {"Content-Type": "application/json"})
        with Stopped(pool):
            time.sleep(0.02)
            reset(stream)
        poster.close()
    assert Client(pool.url + "/mcp").request("ping") == {}
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "no session is left: nobody opened a stream anew", 40)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0, "no call is left")


def test_a_call_ends_with_its_session_at_an_sse_daemon(pool, odd):
    a = odd("--sse", type="sse")
    client, caller = open_client(pool, a), []
    session = client.session

    def call():
        try:
            client.call("never")
        except RpcError as e:
            caller.append(str(e))
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is in flight")
    c = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=5)
    c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": session})
    assert c.getresponse().status == 200
    thread.join(5)
    assert caller, "the call was not answered"
    assert pool.daemon(a)["inFlight"] == 0


def test_a_call_ends_when_its_sse_daemon_is_stopped(pool, odd):
    a = odd("--sse", type="sse")
    client, caller = open_client(pool, a), []

    def call():
        try:
            client.call("never")
        except RpcError as e:
            caller.append(str(e))
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is in flight")
    pool.ctl("stop", a, "--now")
    thread.join(5)
    assert caller, "the call was not answered"


def test_a_json_answer_that_stalls_after_a_keep_alive_is_whole(pool, odd):
    client = open_client(pool, odd("--delay", "11"))
    assert client.call("late") == "late"
    assert client.seen["content-type"] == "text/event-stream"


def test_who_may_not_ask_is_told_before_the_body_has_come(pool):
    pool.start()
    with socket.create_connection(("127.0.0.1", pool.port), timeout=5) as s:
        s.sendall(b"POST /mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 4000000\r\n\r\nxxx")
        assert read_until(s, b"\r\n\r\n").startswith(b"HTTP/1.1 421")


def test_an_answer_in_several_data_lines_is_one(pool, odd):
    client = open_client(pool, odd(), timeout=10)
    status, _, body = client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "lines"}})
    assert status == 200 and '"result"' in body and "ended before" not in body


def test_a_very_long_id_is_answered_too(pool, odd):
    client = open_client(pool, odd(), timeout=10)
    long = "x" * 400_000
    assert client.request("ping", id=long) == {}
    with pytest.raises(RpcError, match="empty"):
        client.request("tools/call", {"name": "junk"}, id=long)


def test_http_1_0_is_answered_and_closed(pool):
    pool.start()
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    with socket.create_connection(("127.0.0.1", pool.port), timeout=5) as s:
        s.sendall(b"POST /mcp HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        assert b'"result":{}' in read_until(s, b"}}")
        assert s.recv(10) == b""
