"""What is remembered of a server: clients are answered at once, whether or not its daemon runs."""
import json
import os
import subprocess
import sys

from conftest import HERE, fake_server, serena_dir, wait_until
from mcp_client import Client, Stream

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


def down(pool, root):
    wait_until(lambda: pool.daemon(root)["state"] == "down", "the daemon is down")


def learn(pool, root):
    """The project's server was seen once, and its daemon was stopped."""
    url = pool.ctl("ensure", root).stdout.strip()
    client = Client(url).open()
    wait_until(lambda: remembered(pool), "its lists are remembered")
    client.close()
    pool.ctl("stop", "--now", root)
    down(pool, root)
    return url


def stays(pool, root):
    """A client of a known server and its stream, once the daemon was started because it stays."""
    url = learn(pool, root)
    client = Client(url).open()
    stream = Stream(url, {"Mcp-Session-Id": client.session})
    client.request("tools/list")
    wait_until(lambda: pool.daemon(root)["state"] in ("ready", "busy"), "it was started")
    return client, stream


def remembered(pool):
    import sqlite3
    with sqlite3.connect(pool.state / "registry.db") as db:
        return [row for row in db.execute("SELECT project_key FROM known WHERE kind = 'tools'")]


def test_handshake_and_lists_come_without_a_start(pool, project):
    a = project("a")
    url = learn(pool, a)
    starts = pool.daemon(a)["starts"]
    client = Client(url).open()
    assert "echo" in [t["name"] for t in client.request("tools/list")["tools"]]
    assert client.initialized["capabilities"]["tools"]["listChanged"] is True
    assert str(a) in client.initialized["instructions"]
    assert pool.daemon(a)["state"] == "down" and pool.daemon(a)["starts"] == starts


def test_a_call_starts_the_daemon_at_once(pool, project):
    a = project("a")
    client = Client(learn(pool, a)).open()
    assert client.whoami()["project"] == str(a)
    assert pool.daemon(a)["state"] in ("ready", "busy")


def test_memory_outlives_poold(pool, project):
    a = project("a")
    url = learn(pool, a)
    pool.kill()
    client = Client(url).open()
    assert client.request("tools/list")["tools"] and pool.daemon(a)["state"] == "down"


def test_a_session_that_stays_starts_its_daemon_in_the_background(pool, project):
    a = project("a")
    _, stream = stays(pool, a)
    assert pool.daemon(a)["reason"] == "session"
    stream.close()


def test_a_client_that_goes_at_once_starts_nothing(pool, project):
    """As `claude mcp list` does: a process of its own that connects, lists, and is gone."""
    a = project("a")
    url = learn(pool, a)
    starts = pool.daemon(a)["starts"]
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from mcp_client import Client\n"
            "c = Client(sys.argv[2]).open(); print(len(c.request('tools/list')['tools']))")
    done = subprocess.run([sys.executable, "-c", code, os.path.dirname(__file__), url], capture_output=True, text=True)
    assert int(done.stdout) > 5, done.stderr
    other = project("b")  # the pool is busy with something else for more than the time that counts
    pool.configure({"fake": fake_server("--start-delay", "3")})
    pool.ctl("reload")
    pool.ctl("ensure", other)
    assert pool.daemon(a)["starts"] == starts


def test_a_session_that_stays_keeps_the_link_that_its_call_opened(pool, project):
    a = project("a")
    pool.configure({"fake": fake_server(), "slow": fake_server("--start-delay", "3")})
    url = learn(pool, a)
    client = Client(url).open()
    stream = Stream(url, {"Mcp-Session-Id": client.session})
    client.request("tools/list")
    daemons_sessions = client.call("sessions")
    pool.ctl("ensure", project("b"), "--server", "slow")  # longer than the time that counts
    assert client.call("sessions") == daemons_sessions
    stream.close()


def test_a_daemon_that_was_stopped_is_not_started_again_for_an_old_session(pool, project):
    a = project("a")
    client, stream = stays(pool, a)
    starts = pool.daemon(a)["starts"]
    pool.ctl("stop", a)
    down(pool, a)
    client.request("tools/list")
    pool.configure({"fake": fake_server("--start-delay", "3")})
    pool.ctl("reload")
    pool.ctl("ensure", project("b"))
    assert pool.daemon(a)["starts"] == starts
    stream.close()


def test_other_projects_and_changed_definitions_get_nothing_of_it(pool, project):
    a, b = project("a"), project("b")
    learn(pool, a)
    url = pool.url + "/mcp"
    client = Client(url, {"X-Poold-Project": str(b)}).open()
    assert str(b) in client.initialized["instructions"] and str(a) not in client.initialized["instructions"]
    assert pool.daemon(b)["state"] in ("ready", "busy"), "what is not known is asked for"
    pool.configure({"fake": fake_server("--start-delay", "0.1")})
    pool.ctl("reload")
    Client(url, {"X-Poold-Project": str(a)}).open()
    assert pool.daemon(a)["state"] in ("ready", "busy"), "another definition is another server"


def test_clients_with_other_capabilities_are_remembered_apart_and_get_what_others_were_told_until_then(pool, project):
    import sqlite3
    a = project("a")
    url = learn(pool, a)
    client = Client(url)
    client.request("initialize", {**INITIALIZE, "capabilities": {"sampling": {}}})
    assert pool.daemon(a)["state"] == "down"
    client.session = client.seen["mcp-session-id"]
    client.call("echo", text="x")
    with sqlite3.connect(pool.state / "registry.db") as db:
        assert db.execute("SELECT count(DISTINCT hash) FROM known WHERE kind = 'handshake'").fetchone() == (2,)


def test_where_the_daemon_differs_the_client_is_told(pool, project):
    """The remembered list is changed under poold, as a new version of a server would differ."""
    import sqlite3
    a = project("a")
    url = learn(pool, a)
    pool.ctl("shutdown")
    with sqlite3.connect(pool.state / "registry.db") as db:
        db.execute("UPDATE known SET result = '{\"tools\":[]}' WHERE kind = 'tools'")
    pool.start()
    client = Client(url).open()
    stream = Stream(url, {"Mcp-Session-Id": client.session})
    assert client.request("tools/list")["tools"] == []
    wait_until(lambda: "notifications/tools/list_changed" in [m.get("method") for m in stream.messages()], "told")
    assert client.request("tools/list")["tools"] != []
    stream.close()


def test_real_serena_is_listed_while_it_is_down(pool, project):
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    a = project("a")
    url = learn(pool, a)
    client = Client(url).open()
    assert "find_symbol" in json.dumps(client.request("tools/list"))
    assert pool.daemon(a)["state"] == "down"


def test_a_list_of_several_pages_is_remembered_whole_and_given_as_one(pool, project):
    a = project("a")
    pool.configure({"fake": fake_server("--page", "3")})
    url = pool.ctl("ensure", a).stdout.strip()
    client = Client(url).open()
    first = client.request("tools/list")
    assert len(first["tools"]) == 3 and first["nextCursor"], "the daemon itself gives pages"
    wait_until(lambda: remembered(pool), "its list is remembered")
    pool.ctl("stop", "--now", a)
    down(pool, a)
    whole = Client(url).open().request("tools/list")
    assert len(whole["tools"]) > 6 and "nextCursor" not in whole
    assert len({t["name"] for t in whole["tools"]}) == len(whole["tools"])
    assert pool.daemon(a)["state"] == "down"


def test_a_client_without_a_stream_hears_of_changes_when_it_opens_one(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    silent, other = Client(url).open(), Client(url).open()
    heard = Stream(url, {"Mcp-Session-Id": other.session})
    wait_until(lambda: remembered(pool), "the lists are known")
    silent.request("tools/list")
    other.call("learn", called="new")
    wait_until(lambda: any("tools/list_changed" in m["method"] for m in heard.messages()), "the one with a stream hears it")

    def is_told():
        stream = Stream(url, {"Mcp-Session-Id": silent.session})
        try:
            wait_until(lambda: stream.messages(), "the change", 2)
            return [m["method"] for m in stream.messages()]
        finally:
            stream.close()
    assert is_told() == ["notifications/tools/list_changed"]
    assert "new" in [t["name"] for t in silent.request("tools/list")["tools"]]
    heard.close()


def test_clients_of_another_authorization_are_not_answered_from_each_others_memory(pool, project):
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    mine = Client(url, {"Authorization": "Bearer mine"}).open()
    wait_until(lambda: len(remembered(pool)) == 1, "its lists are remembered")
    assert mine.whoami()["project"] == str(a)
    pool.ctl("stop", "--now", a)
    down(pool, a)
    Client(url, {"Authorization": "Bearer mine"}).open()
    assert pool.daemon(a)["state"] == "down"
    Client(url, {"Authorization": "Bearer other"}).open()
    assert pool.daemon(a)["state"] != "down", "it had to be asked"
    text = (pool.state / "registry.db").read_bytes() + b"".join(p.read_bytes() for p in pool.state.glob("registry.db-*"))
    assert b"Bearer mine" not in text and b"Bearer other" not in text


def test_lists_that_change_all_the_time_are_read_one_after_the_other(pool, project):
    pool.configure({"fake": {**fake_server(), "args": [str(HERE / "dual_mcp.py"), "--port", "${POOLD_PORT}"],
                             "env": {"FAKE_ERA": "legacy"}}})
    url = pool.ctl("ensure", project("a")).stdout.strip()
    client = Client(url).open()
    stream = Stream(url, {"Mcp-Session-Id": client.session})

    def changes():
        return sum("list_changed" in data for _, data in stream.events)
    wait_until(lambda: client.call("storm", n=1) and changes(), "the stream is open")
    before = changes()
    client.call("storm", n=300)
    wait_until(lambda: changes() >= before + 300, "all have come")
    asked = [r for r in json.loads(client.call("seen")) if r["method"] == "tools/list"]
    assert len(asked) < 100
