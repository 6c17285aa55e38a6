"""HTTP+SSE clients that lose their stream and open it anew, mostly without initialize: they go on where they were."""
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from conftest import alive, wait_until
from mcp_client import Client, Stream
from test_claude import CLAUDE, Claude
from clients.scripted_model import Model
from sdk_clients import sdk  # noqa: F401 (a fixture)

REVISION = {"MCP-Protocol-Version": "2024-11-05"}  # said by clients that have initialized before


class SseClient:
    """One client object: a stream, and POSTs to the endpoint that it named last."""

    def __init__(self, pool, project):
        self.pool, self.url = pool, f"{pool.url}/sse?project={project}"
        self.ids = itertools.count(0)
        self.open()

    def open(self, headers=None):
        self.stream = Stream(self.url, headers)
        assert self.stream.response.status == 200
        name, path = wait_until(lambda: self.stream.events and self.stream.events[0], "the endpoint")
        assert name == "endpoint" and path.startswith("/messages?")
        self.endpoint = self.pool.url + path

    def post(self, message, endpoint=None):
        poster = Client(endpoint or self.endpoint)
        try:
            return poster.post({"jsonrpc": "2.0", **message})[0]
        finally:
            poster.close()

    def send(self, method, params=None, endpoint=None):
        id = next(self.ids)
        assert self.post({"id": id, "method": method, "params": params or {}}, endpoint) == 202
        return id

    def answers(self, id):
        return [m for m in self.stream.messages() if m.get("id") == id and "method" not in m]

    def answer(self, id):
        return wait_until(lambda: self.answers(id), f"the answer to {id}")[0]["result"]

    def initialize(self, capabilities=None):
        result = self.answer(self.send("initialize", {
            "protocolVersion": "2024-11-05", "capabilities": capabilities or {},
            "clientInfo": {"name": "raw-sse", "version": "1"}}))
        assert self.post({"method": "notifications/initialized"}) == 202
        return result

    def start_call(self, tool, endpoint=None, **arguments):
        return self.send("tools/call", {"name": tool, "arguments": arguments}, endpoint)

    def text(self, id):
        return self.answer(id)["content"][0]["text"]

    def call(self, tool, endpoint=None, **arguments):
        return self.text(self.start_call(tool, endpoint, **arguments))

    def lose_stream(self):
        self.stream.close()
        wait_until(lambda: self.stream.ended, "its end")


@pytest.fixture
def opened(pool, project):
    """A project, and make() -> an initialized client of it."""
    a = project("a")
    pool.start()
    made = []

    def make(initialize=True):
        made.append(SseClient(pool, a))
        if initialize:
            made[-1].initialize()
        return made[-1]
    yield a, make
    for client in made:
        client.stream.close()


@pytest.mark.parametrize("said", [REVISION, {}], ids=["says-its-revision", "says-nothing"])
def test_a_stream_opened_anew_without_initialize_goes_on_with_the_session(pool, opened, said):
    a, make = opened
    client = make()
    client.answer(client.send("logging/setLevel", {"level": "warning"}))
    sessions = client.call("sessions")
    first = client.endpoint
    client.lose_stream()
    client.open(said)
    assert client.endpoint != first
    assert "warning" in client.call("settings") and client.call("sessions") == sessions, "the daemon noticed nothing"
    client.call("notify")
    wait_until(lambda: any("list_changed" in m.get("method", "") for m in client.stream.messages()), "a push")
    assert [d["sessions"] for d in pool.json("list")] == [1]


def test_an_idle_client_gets_its_pushes_again_without_a_word(pool, opened):
    a, make = opened
    client, other = make(), make()
    client.answer(client.send("resources/subscribe", {"uri": "file:///x"}))
    client.call("echo", text="the link is open")
    client.lose_stream()
    client.open()
    os.kill(pool.daemon(a)["pid"], signal.SIGKILL)
    wait_until(lambda: len(json.loads(other.call("sessions"))) >= 2, "the new daemon has the idle client's session")


def test_the_old_endpoint_leads_to_the_new_stream(pool, opened):
    a, make = opened
    client = make()
    client.call("echo", text="hi")
    first = client.endpoint
    client.lose_stream()
    early = client.start_call("echo", first, text="before the new stream")
    client.open(REVISION)
    assert client.text(early) == "before the new stream"
    assert client.call("echo", first, text="after it") == "after it"


def test_an_endpoint_without_any_stream_is_not_found(pool, opened):
    a, make = opened
    client = make(initialize=False)
    client.lose_stream()
    wait_until(lambda: client.post({"id": 1, "method": "tools/list"}) == 404, "404")


def test_an_answer_under_way_comes_on_the_new_stream(pool, opened):
    a, make = opened
    client = make()
    slow = client.start_call("slow", seconds=2)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is under way")
    client.lose_stream()
    assert pool.daemon(a)["inFlight"] == 1
    client.open()
    assert client.text(slow) == "done"


def test_a_new_client_of_the_same_process_does_not_get_the_answers_of_another(pool, opened):
    a, make = opened
    client = make()
    client.call("echo", text="hi")
    slow = client.start_call("slow", seconds=1.5)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "the call is under way")
    client.lose_stream()
    other = make()  # initializes on its stream
    other.ids = itertools.count(slow + 1)
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0, "the call is over")
    assert other.call("echo", text="mine") == "mine" and other.answers(slow) == []
    client.open()
    assert client.text(slow) == "done", "it is the first one's, when that comes back"


def test_several_clients_of_one_process_are_all_served_after_a_kill_of_poold(pool, opened):
    a, make = opened
    clients = [make() for _ in range(3)]
    for i, client in enumerate(clients):
        assert client.call("echo", text=str(i)) == str(i)
    pool.kill()
    for client in clients:
        wait_until(lambda: client.stream.ended, "its stream has ended")
        client.open(REVISION)
    pending = [client.start_call("echo", text=f"again {i}") for i, client in enumerate(clients)]
    assert [client.text(id) for client, id in zip(clients, pending)] == [f"again {i}" for i in range(3)]


def test_after_a_kill_of_poold_the_session_goes_on_with_what_it_had_set(pool, opened):
    a, make = opened
    client = make()
    for level in ("info", "error"):
        client.answer(client.send("logging/setLevel", {"level": level}))
    pool.kill()
    wait_until(lambda: client.stream.ended, "its stream has ended")
    early = client.start_call("echo", text="before the new stream")
    client.open(REVISION)
    assert client.text(early) == "before the new stream"
    assert client.call("settings").count("setLevel") == 2, "it is the daemon's same session"


def test_a_stream_of_an_unknown_client_is_served_with_a_handshake_of_ours(pool, opened):
    a, make = opened
    client = make(initialize=False)
    assert client.call("echo", text="never initialized") == "never initialized"


ONE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from mcp_client import Stream
stream = Stream(sys.argv[2])
while not stream.events: time.sleep(0.01)
print(stream.events[0][1], flush=True)
sys.stdin.read()
"""


def test_a_client_that_ends_is_noticed_within_a_second(pool, opened):
    a, make = opened
    make()
    process = subprocess.Popen([sys.executable, "-c", ONE, os.path.dirname(__file__), f"{pool.url}/sse?project={a}"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    endpoint = pool.url + process.stdout.readline().strip()
    assert Client(endpoint).post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[0] == 202
    wait_until(lambda: pool.daemon(a)["sessions"] == 2, "it has a session")
    process.kill()
    process.wait()
    wait_until(lambda: pool.daemon(a)["sessions"] == 1, "its session is put aside", 1)


# --- real clients ---


class Cutter:
    """Forwards TCP to poold and cuts all its connections when told."""

    def __init__(self, port):
        self.to, self.pairs = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                one = self.listener.accept()[0]
            except OSError:
                return
            other = socket.create_connection(("127.0.0.1", self.to))
            self.pairs += [one, other]
            for a, b in ((one, other), (other, one)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    def copy(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data.replace(self.url[7:].encode(), b"127.0.0.1:%d" % self.to))  # the Host
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for s in self.pairs:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.pairs.clear()


def end_daemon(pool, root):
    pid = pool.daemon(root)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the daemon is dead")


def test_the_typescript_client_goes_on_over_every_loss(pool, project, sdk):
    """Its EventSource opens the stream anew by itself and never says initialize again."""
    a = project("a")
    pool.start()
    cutter = Cutter(pool.port)
    # Requests come from this process then, which works somewhere else: the URL names the project.
    client = sdk("ts1-sse", a, f"{cutter.url}/sse?project={a}")
    straight = sdk("ts1-sse", a)
    for lose in (lambda: end_daemon(pool, a), pool.kill, cutter.cut, lambda: pool.ctl("evict", a), cutter.cut, pool.kill):
        before = straight.whoami()
        lose()
        for one in (client, straight):
            assert one.whoami()["project"] == before["project"], "the very next call is answered"
            heard = len(one.ask("heard"))
            wait_until(lambda: one.call("notify") and len(one.ask("heard")) > heard, "a push")


def test_a_call_under_way_of_the_typescript_client_survives_the_cut_of_its_stream(pool, project, sdk):
    a = project("a")
    pool.start()
    cutter = Cutter(pool.port)
    client = sdk("ts1-sse", a, f"{cutter.url}/sse?project={a}")
    number = client.send("call", tool="slow", arguments={"seconds": 3}, progress=False)
    wait_until(lambda: (pool.daemon(a) or {}).get("inFlight") == 1, "the call is under way")
    cutter.cut()
    assert client.answer(number)["text"] == "done"


@pytest.mark.skipif(not CLAUDE.exists(), reason=f"Claude Code is not at {CLAUDE}: ./runtests installs it")
def test_claude_code_over_sse_goes_on_after_each_death(pool, project):
    a = project("a")
    pool.start()

    def kill_something(n):
        if n == 1:
            end_daemon(pool, a)
        if n == 2:
            pool.kill()
        if n == 3:
            pool.ctl("evict", a)
    model = Model(between=kill_something)
    try:
        program = Claude(pool, model, transport="sse")
        answers = program.said(program.prompt(a, *[("whoami", {})] * 4)).splitlines()
        assert [json.loads(line)["project"] for line in answers] == [str(a)] * 4
    finally:
        model.close()
