"""Large answers and slow clients: bounded memory, and nobody else is held up."""
import json
import socket
import sys
import threading
from pathlib import Path

import pytest

from conftest import HERE, fake_server, wait_until
from mcp_client import Client

LARGE = 40_000_000
MIB = 1 << 20


def open_client(pool, project_dir, version="2025-11-25", **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(project_dir)}, **kw).open(version)


@pytest.fixture
def served(pool, project):
    """served(*options) -> a project with the fake as its daemon; poold's memory is as measurable as without sanitizers."""
    def start(*options, server=None):
        a = project()
        pool.env["ASAN_OPTIONS"] = "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
        pool.configure({"large": server or fake_server(*options)})
        pool.ctl("ensure", a)
        return a
    return start


class Memory:
    """with Memory(pool) as m: ...; m.grown() is by how much poold's resident memory has peaked meanwhile, in bytes."""

    def __init__(self, pool):
        self.proc = Path(f"/proc/{pool.pid()}")

    def status(self, name):
        line = next(s for s in (self.proc / "status").read_text().splitlines() if s.startswith(name))
        return int(line.split()[1]) * 1024

    def __enter__(self):
        (self.proc / "clear_refs").write_text("5")  # the peak is the present again
        self.before = self.status("VmRSS")
        return self

    def __exit__(self, *_):
        pass

    def grown(self):
        return self.status("VmHWM") - self.before


def call_of(client, tool, id=1, **arguments):
    """The bytes of a POST."""
    body = json.dumps({"jsonrpc": "2.0", "id": id, "method": "tools/call",
                       "params": {"name": tool, "arguments": arguments}}).encode()
    return (f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nMcp-Session-Id: {client.session}"
            f"\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


@pytest.mark.parametrize("form", ["json", "sse"])
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
def test_an_answer_of_40_mb_passes_without_being_held(pool, served, form, version):
    client = open_client(pool, served(*["--json"] if form == "json" else []), version)
    client.call("big", bytes=300_000)
    with Memory(pool) as memory:
        assert client.call("big", bytes=LARGE) == "x" * LARGE
        assert memory.grown() < 8 * MIB
    if version < "2025-11-25":  # else a late JSON answer may have become an event
        assert ("event-stream" in client.seen["content-type"]) == (form == "sse")


@pytest.mark.parametrize("form", ["json", "sse"])
def test_a_client_that_hardly_reads_holds_up_nobody_and_costs_no_memory(pool, served, form):
    a = served(*["--json"] if form == "json" else [])
    slow, other = open_client(pool, a), open_client(pool, a)
    with Memory(pool) as memory, socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", pool.port))
        s.sendall(call_of(slow, "big", bytes=LARGE))
        for number in range(50):
            s.settimeout(20)
            assert s.recv(1)
            assert other.call("echo", text=str(number)) == str(number)
        assert pool.daemon(a)["inFlight"] == 1  # the daemon cannot get rid of it
        assert memory.grown() < 8 * MIB
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0, "the call runs to its end once its client has gone")
    with Memory(pool) as memory:
        assert other.call("big", bytes=1000) == "x" * 1000


def test_requests_of_1_mb_at_once(pool, served):
    a = served()
    text = "ü\u2028" + "r" * MIB
    clients = [open_client(pool, a) for _ in range(8)]
    answers = []
    with Memory(pool) as memory:
        threads = [threading.Thread(target=lambda c=c: answers.append(c.call("echo", text=text))) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        assert answers == [text] * 8
        assert memory.grown() < 8 * 8 * MIB  # each is there twice for as long as it may have to be sent again


def odd_server(*options):
    return {"command": sys.executable, "type": "http",
            "args": [str(HERE / "odd_mcp.py"), "--port", "${POOLD_PORT}", *options]}


def test_a_large_event_that_is_cut_is_followed_by_an_error(pool, served):
    client = open_client(pool, served(server=odd_server("--delay", "0.3")))
    status, _, body = client.post({"jsonrpc": "2.0", "id": "cut", "method": "tools/call", "params": {"name": "half_event"}})
    blocks = [b for b in body.replace("\r\n", "\n").split("\n\n") if "data: {" in b]
    assert status == 200 and len(blocks) == 2
    assert blocks[0].endswith("\nevent: cut") and len(blocks[0]) > 300_000  # a name that clients ignore
    answer = json.loads(blocks[1].split("data: ")[1])
    assert answer["id"] == "cut" and "may have run" in answer["error"]["message"]
    assert client.call("echo") == "echo"


def test_half_a_json_answer_ends_the_connection_and_nothing_else(pool, served):
    client = open_client(pool, served(server=odd_server()))
    with socket.create_connection(("127.0.0.1", pool.port), timeout=10) as s:
        s.sendall(call_of(client, "half"))
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert b"Content-Length" in answer and not answer.endswith(b"}")
    assert client.call("echo") == "echo"


@pytest.mark.parametrize("tool", ["lines_large", "late_large"])
def test_a_large_answer_in_lines_is_the_same_message(pool, served, tool):
    client = open_client(pool, served(server=odd_server("--delay", "1", "--protocol", "2025-11-25")))
    status, headers, body = client.post({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": tool}})
    assert status == 200 and "event-stream" in headers["content-type"]
    block = next(b for b in body.replace("\r\n", "\n").split("\n\n") if "data: {" in b)
    lines = block.split("\n")
    assert sum(line.startswith("id:") for line in lines) == 1 and "id: 9" not in lines
    answer = json.loads("\n".join(line[6:] for line in lines if line.startswith("data: ")))
    assert answer["id"] == 3 and answer["rest"] == ["y" * 1000] * 3000


def test_an_answer_over_the_cap_of_what_must_be_held_is_an_error(pool, served):
    """HTTP+SSE shares one stream among all calls, so an answer must be whole before it goes out: 64 MiB at most."""
    a = served("--json")
    stream = socket.create_connection(("127.0.0.1", pool.port), timeout=60)
    stream.sendall(f"GET /sse?project={a} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    lines = stream.makefile("rb")
    endpoint = next(line for line in lines if line.startswith(b"data: ")).split()[1].decode()
    poster = Client(pool.url + endpoint)

    def ask(id, method, **params):
        assert poster.post({"jsonrpc": "2.0", "id": id, "method": method, "params": params})[0] == 202
        return json.loads(next(line for line in lines if line.startswith(b"data: "))[6:])
    ask(0, "initialize", protocolVersion="2024-11-05", capabilities={}, clientInfo={"name": "x", "version": "1"})
    assert "larger than 64 MiB" in ask(1, "tools/call", name="big", arguments={"bytes": 70_000_000})["error"]["message"]
    assert len(ask(2, "tools/call", name="big", arguments={"bytes": LARGE})["result"]["content"][0]["text"]) == LARGE
    stream.close()
