"""The front as a client of its daemons: streams that a daemon closes in the middle, and sessions that it forgets."""
import http.client
import json
import sqlite3
import sys
import threading

import pytest

from conftest import HERE, wait_until
from mcp_client import Client, RpcError, Stream


def polling_server(*options):
    return {"command": sys.executable, "type": "http",
            "args": [str(HERE / "polling_mcp.py"), "--port", "${POOLD_PORT}", *options]}


def open_client(pool, project_dir, version="2025-11-25", **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(project_dir)}, **kw).open(version)


@pytest.fixture
def polling(pool, project):
    """polling(*options) -> a project whose daemon is polling_mcp.py."""
    def start(*options):
        a = project()
        pool.configure({"polling": polling_server(*options)})
        pool.ctl("ensure", a)
        return a
    return start


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
def test_a_stream_that_the_daemon_closes_in_the_middle_is_resumed(pool, polling, version):
    client = open_client(pool, polling(), version)
    assert client.call("poll", token=1) == "polled"
    assert [m["params"]["progress"] for m in client.notifications] == [0]
    assert "poll1/0" in json.loads(client.call("gets"))


def test_a_stream_that_is_closed_again_and_again_is_resumed_each_time(pool, polling):
    client = open_client(pool, polling("--closes", "7"))
    assert client.call("poll", token=1) == "polled"
    assert [m["params"]["progress"] for m in client.notifications] == list(range(8))


@pytest.mark.parametrize("tool, arguments", [("poll", {}), ("large", {"bytes": 5}), ("large", {"bytes": 300000})],
                         ids=["resumed", "whole", "in-parts"])
def test_a_stream_that_stays_open_after_the_answer_is_not_waited_for(pool, polling, tool, arguments):
    a = polling("--linger")
    client = open_client(pool, a)
    status, _, body = client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                                   "params": {"name": tool, "arguments": arguments}})  # reads to the end
    assert status == 200 and '"result"' in body
    wait_until(lambda: pool.daemon(a)["inFlight"] == 0 and pool.daemon(a)["state"] == "ready", "nothing is under way")


def test_numbers_of_the_daemon_do_not_reach_the_client(pool, polling):
    client = open_client(pool, polling())
    _, _, body = client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "poll"}})
    assert "polled" in body and "poll1/" not in body and "retry: 100" not in body


def test_a_stream_that_cannot_be_resumed_ends_with_an_error(pool, polling):
    client = open_client(pool, polling("--retry", "50"))
    with pytest.raises(RpcError, match="may have run"):
        client.call("unresumable")
    assert client.call("push") == "pushed"


def test_a_push_stream_that_the_daemon_closes_is_opened_again_where_it_ended(pool, polling):
    client = open_client(pool, polling())
    stream = Stream(pool.url + "/mcp", {"Mcp-Session-Id": client.session})
    for number in range(3):
        client.call("push", number=number)
        wait_until(lambda: len(stream.messages()) == number + 1, f"message {number}")
    assert [m["params"]["number"] for m in stream.messages()] == [0, 1, 2]
    assert {"push/0", "push/1"} <= set(json.loads(client.call("gets")))
    assert json.loads(client.call("opened")) == 2  # the pool's own look, and this link
    stream.close()


@pytest.mark.parametrize("lost", ["404", "410", "400", "own-error", "bare-400"])
def test_a_forgotten_session_is_made_anew_once_for_all_calls(pool, polling, lost):
    a = polling("--lost", lost)
    client = open_client(pool, a)
    before = json.loads(client.call("opened"))
    others = [Client(pool.url + "/mcp", dict(client.headers)) for _ in range(20)]
    for other in others:
        other.session = client.session
        other.call("gets")
    client.call("forget")
    answers = []
    threads = [threading.Thread(target=lambda o=o: answers.append(o.call("poll"))) for o in others]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert answers == ["polled"] * 20
    assert json.loads(client.call("opened")) == before + 1


def test_a_400_with_the_calls_own_id_is_its_answer(pool, polling):
    client = open_client(pool, polling())
    opened = client.call("opened")
    with pytest.raises(RpcError, match="bad arguments"):
        client.call("bad")
    assert client.call("opened") == opened


def test_a_notification_to_a_forgotten_session_is_sent_to_the_new_one(pool, polling):
    client = open_client(pool, polling())
    client.call("forget")
    client.notify("notifications/roots/list_changed")
    wait_until(lambda: "notifications/roots/list_changed" in json.loads(client.call("seen")), "it has come")


def test_a_push_stream_of_a_forgotten_session_makes_it_anew(pool, polling):
    client = open_client(pool, polling())
    stream = Stream(pool.url + "/mcp", {"Mcp-Session-Id": client.session})
    client.call("push", number=0)
    wait_until(lambda: stream.messages(), "the push stream is joined")
    client.call("push", number=1)
    client.call("forget")  # the stream is closed after each message: opened again, it meets a 404
    wait_until(lambda: len(stream.messages()) >= 2, "it is joined again")
    other = open_client(pool, client.headers["X-Poold-Project"])
    wait_until(lambda: json.loads(other.call("opened")) >= 4, "the client's own session is new, without its calling")
    stream.close()


def test_a_session_that_ends_during_the_handshake_leaves_nothing_in_the_daemon(pool, polling):
    a = polling("--initialize-delay", "1")
    client = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)})
    client.open()
    ended = json.loads(client.call("ended"))
    second = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)})
    second.open()  # answered from memory
    caller = threading.Thread(target=lambda: second.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                                                          "params": {"name": "gets"}}))
    caller.start()
    wait_until(lambda: pool.daemon(a)["inFlight"] == 1, "its link is being opened")
    c = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=5)
    c.request("DELETE", "/mcp", headers={"Mcp-Session-Id": second.session})
    assert c.getresponse().status == 200
    wait_until(lambda: json.loads(client.call("ended")) == ended + 1, "the session is ended in the daemon")
    caller.join(10)


def test_a_list_change_in_a_calls_own_stream_is_obeyed(pool, polling):
    a = polling()
    client = open_client(pool, a)
    client.request("tools/list")
    client.call("tools_changed")
    assert [m["method"] for m in client.notifications] == ["notifications/tools/list_changed"]

    registry = sqlite3.connect(f"file:{pool.state}/registry.db?mode=ro", uri=True)
    wait_until(lambda: any("tool1" in row[0] for row in registry.execute("select result from known")), "it is remembered")
