"""One stdio daemon, many clients: every message as docs/sharing.md says, on a server that tells what it was sent."""
import json
import os
import signal
import sys
import threading

import pytest
from conftest import HERE, wait_until
from mcp_client import Client, RpcError, Stream

STDIO = {"command": sys.executable, "args": [str(HERE / "stdio_mcp.py")], "type": "stdio"}
LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


@pytest.fixture
def shared(pool, project):
    """A running pool whose default server is the fake; make() -> a client of its project."""
    root = project("a")
    pool.configure({"stdio": STDIO})
    pool.start()

    def make(version="2025-11-25", url=None):
        return Client(url or f"{pool.url}/mcp", {"X-Poold-Project": str(root)}).open(version)
    make.pool, make.root = pool, root
    return make


def stream(client):
    """The client's event stream, open at the front."""
    s = Stream(f"http://{client.connection.host}:{client.connection.port}/mcp", {"Mcp-Session-Id": client.session})
    assert s.response.status == 200
    return s


def heard(client, method):
    return [list(m.values())[0] for m in json.loads(client.call("hear")) if method in m]


def in_thread(call):
    """Start call() beside us; its result by .get()."""
    box = []
    t = threading.Thread(target=lambda: box.append(call()), daemon=True)
    t.start()

    def get():
        t.join(20)
        return box[0]
    return get


def test_clients_with_equal_ids_and_tokens_get_their_own_answers_and_progress(shared):
    clients = [shared() for _ in range(4)]
    results = [in_thread(lambda c=c, n=n: c.request("tools/call", {
        "name": "steps", "arguments": {"mark": f"mark {n}", "steps": 3, "seconds": 0.05},
        "_meta": {"progressToken": "t"}}, id=7)) for n, c in enumerate(clients)]
    for n, (c, get) in enumerate(zip(clients, results)):
        assert get()["content"][0]["text"] == f"mark {n}"
        assert [(m["params"]["progressToken"], m["params"]["message"]) for m in c.notifications] == \
            [("t", f"mark {n}")] * 3
    assert len({json.loads(c.call("whoami"))["pid"] for c in clients}) == 1


@pytest.mark.parametrize("id", [0, -1, 10**30, "7", "", "a\"b\\é\u2028", "x" * 500], ids=repr)
def test_an_id_comes_back_with_its_type_and_value(shared, id):
    assert shared().request("tools/call", {"name": "echo", "arguments": {"mark": "m"}}, id=id)


def test_the_server_sees_ids_that_are_unique_and_all_else_as_it_was(shared):
    a, b = shared(), shared()
    params = {"name": "whoami", "arguments": {"deep": {"id": 0, "progressToken": 1}}, "x": [1.50, "\u2028"],
              "_meta": {"progressToken": 0, "other": "kept"}}
    seen = [json.loads(c.request("tools/call", params, id=0)["content"][0]["text"])["raw"] for c in (a, b)]
    assert seen[0]["id"] != seen[1]["id"]
    tokens = [s["params"]["_meta"].pop("progressToken") for s in seen]
    assert tokens[0] != tokens[1]
    params["_meta"].pop("progressToken")
    assert seen[0]["params"] == seen[1]["params"] == params


def test_a_message_of_several_lines_reaches_the_server_as_one(shared):
    c = shared()
    body = json.dumps({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
                       "params": {"name": "echo", "arguments": {"mark": "a\nb"}}}, indent=1).replace("\n", "\r\n")
    c.connection.request("POST", c.path, body, {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": c.session})
    assert json.loads(c.connection.getresponse().read())["result"]["content"][0]["text"] == "a\nb"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_each_client_is_answered_in_its_own_revision_without_what_cannot_be_shared(shared, version):
    first = shared("2025-11-25")
    c = shared(version)
    assert c.initialized["protocolVersion"] == version and c.initialized["serverInfo"]["name"] == "stdio"
    assert "tasks" not in c.initialized["capabilities"] and c.initialized["capabilities"]["tools"]["listChanged"]
    assert str(shared.root) in c.initialized["instructions"]
    assert c.call("echo", mark="x") == "x" and first.call("echo", mark="y") == "y"
    assert len(heard(c, "initialize")) == 1


def test_a_cancelled_call_ends_at_once_and_the_server_hears_of_it_under_its_own_id(shared):
    a, b = shared(), shared()
    get = in_thread(lambda: pytest.raises(RpcError, a.request, "tools/call", {"name": "never"}, id=5))
    wait_until(lambda: heard(b, "never"), "the call is there")
    other = Client(f"{shared.pool.url}/mcp")
    other.session = a.session
    other.notify("notifications/cancelled", {"requestId": 5, "reason": "why"})
    assert get().value.code == -32800
    cancelled = wait_until(lambda: heard(b, "notifications/cancelled"), "the server hears of it")
    assert cancelled == [{"requestId": heard(b, "never")[0], "reason": "why"}]
    assert a.call("echo", mark="x") == "x"
    wait_until(lambda: shared.pool.daemon(shared.root)["inFlight"] == 0, "it holds the daemon no longer")


def test_what_another_client_cancels_is_none_of_ours(shared):
    a, b = shared(), shared()
    get = in_thread(lambda: a.request("tools/call", {"name": "echo", "arguments": {"mark": "a", "seconds": 0.3}}, id=5))
    b.notify("notifications/cancelled", {"requestId": 5})
    assert get()["content"][0]["text"] == "a"
    assert not heard(b, "notifications/cancelled")


def test_second_and_unknown_answers_and_late_progress_are_dropped(shared):
    a, b = shared(), shared()
    sa, sb = stream(a), stream(b)
    assert a.call("twice", token=1, mark="one") == "one"
    for line in ('{"jsonrpc":"2.0","id":7,"result":{}}', '{"jsonrpc":"2.0","id":"poold.1.-.n7","result":{}}',
                 '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}', "no json", "[]",
                 '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}'):
        assert a.call("say", line=line, mark="said") == "said"
    assert b.call("echo", mark="two") == "two"
    assert not sa.messages() and not sb.messages()


def test_subscriptions_are_counted_and_updates_go_to_subscribers_only(shared):
    a, b, c = shared(), shared(), shared()
    sa, sb, sc = map(stream, (a, b, c))
    for client, uri in ((a, "x://1"), (b, "x://1"), (b, "x://2")):
        client.request("resources/subscribe", {"uri": uri})
    assert heard(c, "resources/subscribe") == [{"uri": "x://1"}, {"uri": "x://2"}]
    c.call("touch", uri="x://1", mark="both")
    c.call("touch", uri="x://2", mark="b only")
    c.call("touch", uri="x://3", mark="nobody")
    c.call("touch", uri="x://1/part", mark="a part")
    c.call("touch", uri="x://10", mark="another one")

    def marks(s):
        return [m["params"]["_meta"]["mark"] for m in s.messages()]
    wait_until(lambda: marks(sa) == ["both", "a part"] and marks(sb) == ["both", "b only", "a part"], "the updates came")
    assert not marks(sc)
    a.request("resources/unsubscribe", {"uri": "x://1"})
    assert not heard(c, "resources/unsubscribe")
    b.request("resources/unsubscribe", {"uri": "x://1"})
    assert heard(c, "resources/unsubscribe") == [{"uri": "x://1"}]
    b.connection.request("DELETE", b.path, headers={"Mcp-Session-Id": b.session})
    assert b.connection.getresponse().status == 200
    wait_until(lambda: heard(c, "resources/unsubscribe") == [{"uri": "x://1"}, {"uri": "x://2"}], "b's last one ends")


def test_a_subscription_that_the_server_refuses_is_refused_to_each_and_not_kept(shared):
    a, b = shared(), shared()
    for client in (a, b):
        client.call("echo", mark="x")
        with pytest.raises(RpcError) as e:
            client.request("resources/subscribe", {"uri": "bad:1"})
        assert e.value.code == -32002
    assert len(heard(a, "resources/subscribe")) == 2
    s = stream(a)
    a.call("touch", uri="bad:1", mark="no")
    assert a.call("echo", mark="x") == "x" and not s.messages()


def test_subscriptions_and_the_level_are_restored_with_the_next_life(shared):
    a, b = shared(), shared()
    streams = [stream(a), stream(b)]
    for client in (a, b):
        client.request("resources/subscribe", {"uri": "x://1"})
    a.request("logging/setLevel", {"level": "error"})
    b.request("logging/setLevel", {"level": "info"})
    pid = json.loads(a.call("whoami"))["pid"]
    shared.pool.ctl("restart", shared.root)
    wait_until(lambda: (shared.pool.daemon(shared.root) or {}).get("pid") not in (None, 0, pid), "the next life")
    assert json.loads(a.call("whoami"))["pid"] != pid
    wait_until(lambda: heard(a, "resources/subscribe") == [{"uri": "x://1"}], "told once")
    wait_until(lambda: heard(a, "logging/setLevel")[-1:] == [{"level": "info"}], "the most verbose level")
    a.call("touch", uri="x://1", mark="again")
    wait_until(lambda: all(s.messages() for s in streams), "both hear of it")


def test_the_server_logs_at_the_most_verbose_level_and_each_client_hears_its_own(shared):
    a, b, c = shared(), shared(), shared()
    sa, sb, sc = map(stream, (a, b, c))
    a.request("logging/setLevel", {"level": "warning"})
    b.request("logging/setLevel", {"level": "debug"})
    a.request("logging/setLevel", {"level": "error"})
    assert heard(c, "logging/setLevel") == [{"level": "warning"}, {"level": "debug"}]
    for level in LEVELS:
        c.call("log", level=level, mark=level)

    def marks(s):
        return [m["params"]["data"] for m in s.messages()]
    wait_until(lambda: marks(sb) == LEVELS and marks(sa) == LEVELS[4:] and marks(sc) == LEVELS, "each its own")
    b.request("logging/setLevel", {"level": "critical"})
    assert heard(c, "logging/setLevel")[-1] == {"level": "error"}
    a.connection.request("DELETE", a.path, headers={"Mcp-Session-Id": a.session})
    a.connection.getresponse().read()
    wait_until(lambda: heard(c, "logging/setLevel")[-1] == {"level": "critical"}, "what a wanted is over")
    with_bad = shared()
    with_bad.request("logging/setLevel", {"level": "loud"})
    assert heard(c, "logging/setLevel")[-1] == {"level": "loud"}


def test_lists_are_asked_for_once_and_again_when_they_change(shared):
    a, b = shared(), shared("2025-06-18")
    sa, sb = stream(a), stream(b)
    a.call("echo", mark="x"), b.call("echo", mark="x")
    wait_until(lambda: heard(a, "tools/list"), "the front has asked")
    for client in (a, b, a):
        assert len(client.request("tools/list")["tools"]) == 14
    assert len(heard(a, "tools/list")) == 1
    a.call("grow")
    wait_until(lambda: len(heard(a, "tools/list")) == 2, "asked again")
    assert not sa.messages() and not sb.messages()  # it is the same list
    a.call("grow", name="one_more")
    for s in (sa, sb):
        wait_until(lambda: [m["method"] for m in s.messages()] == ["notifications/tools/list_changed"], "told once")
    assert "one_more" in [t["name"] for t in b.request("tools/list")["tools"]]


def test_pages_of_a_list_go_through(shared):
    a, b = shared(), shared()
    first = a.request("resources/list")
    assert first["nextCursor"] == "page-2" and first["resources"][0]["uri"] == "x://first"
    assert b.request("resources/list", {"cursor": first["nextCursor"]})["resources"][0]["uri"] == "x://page-2"


def test_unknown_requests_and_notifications_of_clients_go_through(shared):
    a = shared()
    assert a.request("x/anything", {"p": 1}) == {"got": "x/anything", "params": {"p": 1}}
    a.notify("notifications/x", {"q": 2})
    wait_until(lambda: heard(a, "notifications/x") == [{"q": 2}], "the server hears it")


def test_what_would_have_to_be_guessed_is_refused(shared):
    a = shared()
    s = stream(a)
    for method in ("sampling/createMessage", "elicitation/create", "x/ask"):
        answer = json.loads(a.call("ask", id="s1", method=method))
        assert answer["id"] == "s1" and answer["error"]["code"] == -32601
        assert '"share": "session"' in answer["error"]["message"] and method in answer["error"]["message"]
    for method in ("tasks/list", "tasks/get"):
        with pytest.raises(RpcError, match="share.*session"):
            a.request(method, {})
    a.notify("notifications/roots/list_changed")
    assert a.call("echo", mark="x") == "x" and not s.messages()
    assert not heard(a, "notifications/roots/list_changed") and not heard(a, "tasks/list")


def test_roots_and_pings_are_answered_for_all(shared):
    a = shared()
    roots = json.loads(a.call("ask", id=9, method="roots/list"))
    assert roots == {"jsonrpc": "2.0", "id": 9, "result": {"roots": [
        {"uri": shared.root.as_uri(), "name": roots["result"]["roots"][0].get("name")}]}}
    assert json.loads(a.call("ask", id="p", method="ping")) == {"jsonrpc": "2.0", "id": "p", "result": {}}


def test_a_call_whose_client_has_gone_is_busy_until_it_is_answered(shared):
    a, b = shared(), shared()
    gone = Client(f"{shared.pool.url}/mcp")
    gone.session = a.session
    gone.connection.connect()
    threading.Thread(target=lambda: pytest.raises(Exception, gone.call, "echo", mark="x", seconds=1.0), daemon=True).start()
    wait_until(lambda: shared.pool.daemon(shared.root)["inFlight"] == 1, "it is under way")
    gone.connection.sock.shutdown(2)
    assert shared.pool.daemon(shared.root)["inFlight"] == 1
    wait_until(lambda: shared.pool.daemon(shared.root)["inFlight"] == 0, "it is answered")
    assert b.call("echo", mark="y") == "y"


def test_the_end_of_the_server_is_told_to_each_call_and_the_next_one_runs(shared):
    a, b = shared(), shared()
    pid = json.loads(a.call("whoami"))["pid"]
    get = in_thread(lambda: pytest.raises(RpcError, b.call, "never"))
    wait_until(lambda: heard(a, "never"), "the call is there")
    with pytest.raises(RpcError, match="may have run"):
        a.call("exit")
    assert "may have run" in str(get().value)
    assert json.loads(b.call("whoami"))["pid"] != pid


def test_http_sse_clients_share_it_too(shared):
    a = shared()
    s = Stream(f"{shared.pool.url}/sse?project={shared.root}")
    endpoint = wait_until(lambda: [d for n, d in s.events if n == "endpoint"], "the endpoint")[0]
    c = Client(f"{shared.pool.url}{endpoint}")

    def ask(id, method, params):
        status, _, _ = c.post({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        assert status == 202
        return wait_until(lambda: [m for m in s.messages() if m.get("id") == id], method)[0]
    answer = ask(0, "initialize", {"protocolVersion": "2024-11-05", "capabilities": {},
                                   "clientInfo": {"name": "sse", "version": "1"}})
    assert answer["result"]["protocolVersion"] == "2024-11-05"
    c.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    answer = ask(1, "tools/call", {"name": "steps", "arguments": {"mark": "m", "steps": 2}, "_meta": {"progressToken": 1}})
    assert answer["result"]["content"][0]["text"] == "m"
    assert [m["params"]["progressToken"] for m in s.messages() if "method" in m] == [1, 1]
    assert a.call("echo", mark="x") == "x"


def test_a_slow_server_holds_back_its_callers_and_loses_nothing(shared):
    """More than the window of lines that are not read yet: calls wait, and go on when there is room."""
    clients = [shared() for _ in range(8)]
    big = "x" * 1_000_000
    pid = json.loads(clients[0].call("whoami"))["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        results = [in_thread(lambda c=c, n=n: c.call("echo", mark=f"{n}", filler=big)) for n, c in enumerate(clients)]
        wait_until(lambda: shared.pool.daemon(shared.root)["inFlight"] == len(clients), "all are under way")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [get() for get in results] == [str(n) for n in range(len(clients))]


def test_poold_killed_in_between_leaves_the_server_its_sessions_and_what_they_have_set(shared):
    a, b = shared(), shared()
    for client in (a, b):
        client.request("resources/subscribe", {"uri": "x://1"})
    a.request("logging/setLevel", {"level": "debug"})
    b.request("logging/setLevel", {"level": "error"})
    pid = json.loads(a.call("whoami"))["pid"]
    shared.pool.kill()
    a.connection.close(), b.connection.close()
    s = stream(a)
    assert json.loads(b.call("whoami"))["pid"] == pid
    assert len(heard(b, "initialize")) == 1
    b.call("touch", uri="x://1", mark="again")
    wait_until(lambda: s.messages(), "a, who has asked nothing since, hears of it")
    b.request("resources/unsubscribe", {"uri": "x://1"})  # a still wants it
    assert not heard(b, "resources/unsubscribe")
    b.request("logging/setLevel", {"level": "warning"})  # a still wants debug
    assert [m["level"] for m in heard(b, "logging/setLevel")] == ["debug"]


def test_a_session_that_does_not_come_back_still_counts_after_a_kill(shared):
    a, b = shared(), shared()
    for client in (a, b):
        client.request("resources/subscribe", {"uri": "x://1"})
    a.call("echo", mark="x")
    shared.pool.kill()
    b.connection.close(), a.connection.close()
    b.call("echo", mark="x")
    b.request("resources/unsubscribe", {"uri": "x://1"})
    assert not heard(b, "resources/unsubscribe")
    a.connection.request("DELETE", a.path, headers={"Mcp-Session-Id": a.session})
    a.connection.getresponse().read()
    wait_until(lambda: heard(b, "resources/unsubscribe"), "it has ended: nobody wants it now")


def begin_call(client, id, **arguments):
    """A call whose stream is open: (its response, the id of its last event so far)."""
    body = json.dumps({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": "steps", "arguments": arguments, "_meta": {"progressToken": "t"}}})
    client.connection.request("POST", client.path, body, {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": client.session, "MCP-Protocol-Version": "2025-11-25"})
    response, last = client.connection.getresponse(), ""
    while not (line := response.readline()).startswith(b"data: {"):
        last = line[4:].decode().strip() if line.startswith(b"id:") else last
    return response, last


def resumed(client, last):
    """All messages of the stream that goes on after this event."""
    c = Client(f"http://{client.connection.host}:{client.connection.port}/mcp")
    c.connection.request("GET", c.path, headers={
        "Accept": "text/event-stream", "Mcp-Session-Id": client.session, "Last-Event-ID": last})
    text = c.connection.getresponse().read().decode()
    return [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:") and line[5:].strip()]


@pytest.mark.parametrize("share", ["project", "session"])
@pytest.mark.parametrize("is_early", [True, False], ids=["back-before-the-answer", "back-after-it"])
def test_an_answer_after_a_kill_of_poold_reaches_the_client_that_resumes_its_stream(pool, project, is_early, share):
    root = project("a")
    pool.configure({"stdio": {**STDIO, "share": share}})
    pool.start()
    a, b = [Client(f"{pool.url}/mcp", {"X-Poold-Project": str(root)}).open() for _ in range(2)]
    a.call("echo", mark="x")
    _, last = begin_call(a, "7", mark="long", steps=3, seconds=1.0 if is_early else 0.5)
    pool.kill()
    if not is_early:
        b.connection.close()
        b.call("echo", mark="y", seconds=2.5)  # longer than a's takes
    answers = resumed(a, last)
    assert answers[-1]["id"] == "7" and answers[-1]["result"]["content"][0]["text"] == "long"


def test_a_call_that_was_lost_with_poold_and_its_server_ends_with_an_error(shared):
    a = shared()
    a.call("echo", mark="x")
    pid = json.loads(a.call("whoami"))["pid"]
    _, last = begin_call(a, 7, mark="long", steps=3, seconds=20)
    shared.pool.kill()
    get = in_thread(lambda: resumed(a, last))
    b = shared()
    b.call("echo", mark="x")
    os.kill(pid, signal.SIGKILL)
    answer = get()[-1]
    assert answer["id"] == 7 and "may have run" in answer["error"]["message"]


@pytest.mark.parametrize("id", ["1.0", "1e2", "-0", '"\\u00e9"'])
def test_a_server_of_ones_own_may_spell_an_id_in_another_way(pool, project, id):
    pool.configure({"stdio": {**STDIO, "share": "session"}})
    pool.start()
    c = Client(f"{pool.url}/mcp", {"X-Poold-Project": str(project("a"))}, timeout=15).open()
    answer = '{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}' % json.dumps(json.loads(id.replace("e2", "00").replace(
        ".0", "").replace("-", "")), ensure_ascii=False)
    message = '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"emit","arguments":{"hex":"%s","mute":true}}}' % (
        id, answer.encode().hex())
    c.connection.request("POST", c.path, message, {
        **c.headers, "Mcp-Session-Id": c.session, "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream"})
    assert answer in c.connection.getresponse().read().decode()


@pytest.mark.parametrize("id_last", [False, True])
@pytest.mark.parametrize("share", ["project", "session"])
def test_an_answer_that_is_too_long_is_an_error_of_its_caller(pool, project, share, id_last):
    pool.configure({"stdio": {**STDIO, "share": share}})
    pool.start()
    c = Client(f"{pool.url}/mcp", {"X-Poold-Project": str(project("a"))}).open()
    with pytest.raises(RpcError) as e:
        c.call("big", bytes=17 << 20, id_last=id_last)
    assert e.value.code == -31015 and "16 MiB" in str(e.value)
    assert len(c.call("big", bytes=15 << 20, id_last=id_last)) == 15 << 20


def test_bytes_that_are_no_utf_8_end_nothing_on_either_side(shared):
    a, b = shared(), shared()
    s = stream(a)
    pid = json.loads(b.call("whoami"))["pid"]
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"mark": "@"}}}
    a.connection.request("POST", a.path, json.dumps(call).encode().replace(b"@", b"\xff"), {
        **a.headers, "Mcp-Session-Id": a.session, "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream"})
    assert b"not UTF-8" in a.connection.getresponse().read()
    said = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"caf\xe9"}}'
    a.call("emit", hex=said.hex())
    wait_until(lambda: [m["params"]["data"] for m in s.messages()] == ["caf\ufffd"], "it is heard, mended")
    assert json.loads(b.call("whoami"))["pid"] == pid
