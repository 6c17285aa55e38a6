"""Routing by MCP roots: where nothing better names the project, and where a client's roots contradict its directory."""
import json
import subprocess
import sys
import time

import pytest

from clients.scripted_model import Model
from conftest import BIN, HERE, fake_server, wait_until
from lines_client import Program, Socket
from test_claude import CLAUDE, Claude

# A client process in a directory of its own: declares roots (what they are, a JSON list, or "silent"), and calls whoami.
CLIENT = """
import json, os, sys, threading
sys.path.insert(0, sys.argv[1])
from mcp_client import Client, Stream, RpcError
url, roots, how = sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
c = Client(url)
c.initialized = c.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}},
                                         "clientInfo": {"name": "rooted", "version": "1"}})
hello = json.dumps({"server": c.initialized["serverInfo"]["name"], "route": c.seen.get("x-poold-route"),
                  "project": c.seen.get("x-poold-project"), "instructions": c.initialized["instructions"]})
c.session = c.seen["mcp-session-id"]
c.headers["MCP-Protocol-Version"] = "2025-11-25"
c.notify("notifications/initialized")
print(hello, flush=True)
asked = []
def answer(m):
    asked.append(m["id"])
    if roots == "silent": return
    other = Client(url, c.headers); other.session = c.session
    status, _, _ = other.post({"jsonrpc": "2.0", "id": m["id"], "result": {"roots": [{"uri": "file://" + r} for r in roots]}})
    assert status == 202
told = []
def hear(stream):
    at = 0
    while not stream.ended:
        for m in stream.messages()[at:]:
            at += 1
            told.append(m.get("method"))
            if m.get("method") == "roots/list": answer(m)
        threading.Event().wait(0.005)
def listen():
    s = Stream(url, {"Mcp-Session-Id": c.session})
    threading.Thread(target=hear, args=(s,), daemon=True).start()
if how == "stream": listen()
for line in sys.stdin:
    tool = line.strip()
    try:
        if tool == "told":
            said = told
        elif tool == "listen":
            said = listen()
        elif tool.startswith("roots "):
            roots = json.loads(tool[6:])
            c.notify("notifications/roots/list_changed")
            said = None
        elif tool == "prompts":
            said = c.request("prompts/list")["prompts"]
        elif tool == "list":
            said = [t["name"] for t in c.request("tools/list")["tools"]]
        elif how != "call":
            said = json.loads(c.call(tool))
        else: # the question comes on the answer's own stream
            import http.client
            conn = http.client.HTTPConnection(c.connection.host, c.connection.port, timeout=60)
            conn.request("POST", c.path, json.dumps({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": tool, "arguments": {}}}),
                         {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Session-Id": c.session})
            r = conn.getresponse(); said = None
            for raw in r:
                text = raw.decode().strip()
                text = text[5:].strip() if text.startswith("data:") else text
                if not text.startswith("{"): continue
                m = json.loads(text)
                if m.get("method") == "roots/list": answer(m)
                elif m.get("id") == 77:
                    said = json.loads(m["result"]["content"][0]["text"]) if "result" in m else {"error": m["error"]["message"]}
            c.seen = {k.lower(): v for k, v in r.getheaders()}
        print(json.dumps({"said": said, "route": c.seen.get("x-poold-route"), "asked": len(asked)}), flush=True)
    except RpcError as e:
        print(json.dumps({"said": {"error": str(e)}, "asked": len(asked)}), flush=True)
"""


class Rooted:
    def __init__(self, url, cwd, roots, how="stream"):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(HERE), url, json.dumps(roots if roots == "silent" else [str(r) for r in roots]), how],
            cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = json.loads(self.process.stdout.readline())

    def ask(self, tool="whoami"):
        self.process.stdin.write(tool + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def rooted(pool):
    """make(cwd, roots, how) -> a client in a process of its own."""
    made = []

    def make(cwd, roots, how="stream", path="/mcp"):
        made.append(Rooted(pool.url + path, cwd, roots, how))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def nowhere(pool):
    path = pool.home / "nowhere"
    path.mkdir()
    return path


HOW = pytest.mark.parametrize("how", ["stream", "call"])


@HOW
def test_a_client_outside_of_any_project_is_led_by_its_first_root(pool, project, rooted, nowhere, how):
    a, b = project("a"), project("b")
    pool.start()
    client = rooted(nowhere, [a / "sub", b], how)
    assert client.hello["server"] == "poold" and client.hello["project"] is None and client.hello["route"] == "none"
    answer = client.ask()
    assert answer["said"]["project"] == str(a) and answer["asked"] == 1
    answer = client.ask()
    assert answer["route"] == "roots" and answer["asked"] == 1, "it is asked once"
    assert [d["sessions"] for d in pool.json("list")] == [1]
    assert '"roots"' in pool.ctl("status", a, "--json").stdout


def test_a_list_that_was_announced_but_the_server_has_not_is_empty(pool, project, rooted, nowhere):
    a = project("a")
    pool.start()
    client = rooted(nowhere, [a])
    assert client.hello["server"] == "poold"
    assert client.ask("prompts")["said"] == [] and "echo" in client.ask("list")["said"]


@HOW
def test_roots_that_contradict_the_directory_win(pool, project, rooted, how):
    a, b = project("a"), project("b")
    pool.start()
    client = rooted(a, [b], how)
    assert client.hello["route"] == "cwd"
    assert client.ask()["said"]["project"] == str(b)
    assert client.ask()["route"] == "roots"
    assert {d["project"]: d["sessions"] for d in pool.json("list")}[str(a)] == 0


@HOW
def test_a_root_inside_of_the_same_project_is_no_contradiction(pool, project, rooted, how):
    a = project("a")
    pool.start()
    client = rooted(a, [a / "sub"], how)
    answer = client.ask()
    assert answer["said"]["project"] == str(a) and answer["asked"] == 1
    assert pool.json("status", a)


def test_no_roots_say_nothing(pool, project, rooted, nowhere):
    a = project("a")
    pool.start()
    assert rooted(a, []).ask()["said"]["project"] == str(a)
    said = rooted(nowhere, []).ask()["said"]["error"]
    for word in ("X-Poold-Project", "poolctl ensure", "no root"):
        assert word in said


def test_a_root_that_is_no_project_is_an_error_that_says_so(pool, rooted, nowhere):
    pool.start()
    said = rooted(nowhere, [nowhere]).ask()["said"]["error"]
    assert str(nowhere) in said and "X-Poold-Project" in said


@HOW
def test_a_client_that_does_not_answer_is_waited_for_one_second(pool, project, rooted, nowhere, how):
    a = project("a")
    pool.ctl("ensure", a)
    known = rooted(a, "silent", how)
    began = time.monotonic()
    assert known.ask()["said"]["project"] == str(a)
    assert time.monotonic() - began < 10, "not the start's time, nor the client's"
    assert known.ask()["asked"] == 1
    said = rooted(nowhere, "silent", how).ask()["said"]["error"]
    assert "did not answer" in said and "X-Poold-Project" in said


@pytest.mark.parametrize("options", [["--own-tool"], []], ids=["other-tools", "same-tools"])
def test_lists_are_told_to_have_changed_where_they_differ(pool, project, rooted, options):
    """The client was answered from memory, for the project of its directory, before its roots were known."""
    a, b = project("a"), project("b")
    pool.configure({"fake": fake_server(*options)})
    pool.start()
    for path in (a, b):
        first = rooted(path, [path])
        assert first.ask()["said"]["project"] == str(path) and "echo" in first.ask("list")["said"]
    client = rooted(a, [b], "late")
    assert ("a" in client.ask("list")["said"]) == bool(options)
    client.ask("listen")
    wait_until(lambda: client.ask("told")["asked"] == 1, "its roots were asked for")
    assert client.ask()["said"]["project"] == str(b)
    assert ("b" in client.ask("list")["said"]) == bool(options)
    assert client.ask("told")["said"].count("notifications/tools/list_changed") == bool(options)


def test_a_session_that_waits_for_its_project_is_taken_back_and_asked_again(pool, project, rooted, nowhere):
    a = project("a")
    pool.start()
    client = rooted(nowhere, [a], "call")
    pool.kill()
    assert client.ask()["said"]["project"] == str(a)
    pool.kill()
    again = client.ask()
    assert again["said"]["project"] == str(a) and again["route"] == "roots" and again["asked"] == 1


def test_the_url_and_the_header_win_over_roots(pool, project, rooted, nowhere):
    a, b = project("a"), project("b")
    pool.start()
    answer = rooted(nowhere, [b], path=f"/mcp?project={a}").ask()
    assert answer["said"]["project"] == str(a) and answer["asked"] == 0


def test_a_client_without_roots_still_gets_the_error_at_initialize(pool, nowhere):
    pool.start()
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from mcp_client import Client; Client({pool.url + '/mcp'!r}).open()"
    done = subprocess.run([sys.executable, "-c", code], cwd=nowhere, capture_output=True, text=True)
    assert "X-Poold-Project" in done.stderr


SSE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from mcp_client import Client, Stream
url, root = sys.argv[2], sys.argv[3]
stream = Stream(url + "/sse")
def until(f):
    while not f(): time.sleep(0.005)
    return f()
assert stream.response.status == 200, stream.response.status
until(lambda: stream.events)
post = Client(url + stream.events[0][1])
def send(m): assert post.post({"jsonrpc": "2.0", **m})[0] == 202
def answer(id): return until(lambda: [m for m in stream.messages() if m.get("id") == id and "method" not in m])[0]
send({"id": 1, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {"roots": {}},
      "clientInfo": {"name": "rooted", "version": "1"}}})
answer(1)
send({"method": "notifications/initialized"})
asked = until(lambda: [m for m in stream.messages() if m.get("method") == "roots/list"])[0]
send({"id": asked["id"], "result": {"roots": [{"uri": "file://" + root}]}})
send({"id": 2, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}})
print(json.loads(answer(2)["result"]["content"][0]["text"])["project"])
"""


def test_http_sse_clients_are_asked_on_their_stream(pool, project, nowhere):
    a, b = project("a"), project("b")
    pool.start()
    for cwd in (nowhere, a):
        done = subprocess.run([sys.executable, "-c", SSE, str(HERE), pool.url, str(b)], cwd=cwd, capture_output=True,
                              text=True, timeout=60)
        assert done.stdout.strip() == str(b), done.stderr


@pytest.mark.skipif(not CLAUDE.exists(), reason=f"Claude Code is not at {CLAUDE}: ./runtests installs it")
@pytest.mark.parametrize("transport", ["http", "sse"])
def test_claude_code_behind_a_forwarder_reaches_its_project(pool, project, transport):
    """An HTTP proxy in between owns the socket that poold sees: the roots tell where Claude Code works."""
    a = project("a")
    pool.start()
    forwarder = subprocess.Popen([sys.executable, "-c", FORWARD, str(pool.port)], cwd="/", stdout=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{forwarder.stdout.readline().strip()}"
    model = Model()
    try:
        program = Claude(pool, model, transport=transport, url=url)
        assert json.loads(program.said(program.prompt(a / "sub", ("whoami", {}))))["project"] == str(a)
    finally:
        model.close()
        forwarder.kill()
        forwarder.wait()
        forwarder.stdout.close()


FORWARD = """
import socket, sys, threading
to = int(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
mine = b"127.0.0.1:%d" % listener.getsockname()[1]
print(listener.getsockname()[1], flush=True)
def copy(a, b):
    try:
        while data := a.recv(65536): b.sendall(data.replace(mine, b"127.0.0.1:%d" % to))
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(2)
        except OSError: pass
while True:
    one = listener.accept()[0]
    other = socket.create_connection(("127.0.0.1", to))
    for a, b in ((one, other), (other, one)): threading.Thread(target=copy, args=(a, b), daemon=True).start()
"""


# --- roots that change

def test_roots_that_change_before_the_first_call_are_asked_for_again(pool, project, rooted):
    a, b = project("a"), project("b")
    pool.start()
    client = rooted(a, [a])
    assert client.ask("list")["asked"] == 1
    client.ask(f"roots {json.dumps([str(b)])}")
    answer = client.ask()
    assert answer["said"]["project"] == str(b) and answer["asked"] == 2


def test_roots_that_change_after_a_call_move_nobody(pool, project, rooted):
    a, b = project("a"), project("b")
    pool.start()
    client = rooted(a, [a])
    assert client.ask()["said"]["project"] == str(a)
    client.ask(f"roots {json.dumps([str(b)])}")
    answer = client.ask()
    assert answer["said"]["project"] == str(a) and answer["asked"] == 1


# --- over mcp.sock, and through poolctl connect

def answer_roots(client, root):
    asked = client.receive()
    assert asked["method"] == "roots/list"
    client.send({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": [{"uri": f"file://{root}"}]}})


@pytest.fixture
def joined(pool):
    """make(cwd, *options of poolctl connect, **environment) -> a client through it; without it: make(None, **hello)."""
    made = []

    def make(cwd, *words, **more):
        made.append(Socket(pool, **more) if cwd is None else
                    Program([BIN / "poolctl", "connect", *words], cwd, {**pool.env, **more}))
        return made[-1].open(capabilities={"roots": {"listChanged": True}})
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("way", ["bare", "hello", "connect", "claude"])
def test_roots_win_over_the_directory_of_clients_of_mcp_sock(pool, project, joined, monkeypatch, way):
    a, b = project("a"), project("b")
    pool.start()
    monkeypatch.chdir(a)
    if way == "claude":
        client = joined(pool.home, CLAUDE_PROJECT_DIR=str(a))
    else:
        client = joined(a) if way == "connect" else joined(None, **({"lean": False} if way == "hello" else {}))
    answer_roots(client, b)
    assert client.whoami()["project"] == str(b)


@pytest.mark.parametrize("way", ["hello", "connect"])
def test_a_project_that_is_named_wins_over_roots(pool, project, joined, way):
    a, b = project("a"), project("b")
    pool.start()
    client = joined(b, "--project", a) if way == "connect" else joined(None, project=str(a))
    assert client.whoami()["project"] == str(a)
    assert [m["method"] for m in client.others if m["method"] == "roots/list"] == []


def test_roots_of_a_client_of_mcp_sock_may_change_until_its_first_call(pool, project, joined, monkeypatch):
    a, b = project("a"), project("b")
    pool.start()
    monkeypatch.chdir(a)
    client = joined(None)
    answer_roots(client, a)
    client.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
    answer_roots(client, b)
    assert client.whoami()["project"] == str(b)
    client.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
    assert client.whoami()["project"] == str(b)
    assert "roots/list" not in [m["method"] for m in client.others]
