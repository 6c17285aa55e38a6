"""A server is got to know before its first client needs it, and to clients of another kind."""
import json

import pytest

from conftest import fake_server, wait_until
from mcp_client import Client, ModernClient
from test_modern import server


def remembered(pool, path):
    """`poolctl tools` reads what is remembered."""
    return pool.ctl("tools", path, check=False).returncode == 0


def down(pool, path):
    pool.ctl("stop", "--now", path)
    wait_until(lambda: pool.daemon(path)["state"] == "down", "down")
    return pool.daemon(path)["starts"]


def connect(pool, path, version="2025-11-25", capabilities=None):
    client = Client(pool.url + "/mcp", {"X-Poold-Project": str(path)})
    client.initialized = client.request("initialize", {
        "protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": {"name": "raw", "version": "1"}})
    client.session = client.seen["mcp-session-id"]
    return client


@pytest.mark.parametrize("era", ["dual", "legacy", "modern"])
def test_an_ensured_server_answers_its_first_client_of_either_era_while_it_is_down(pool, project, era):
    pool.configure({"fake": server(era)})
    a = project("a")
    pool.ctl("ensure", a)
    wait_until(lambda: remembered(pool, a), "the server is known")
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "it was only asked")
    starts = down(pool, a)
    client = connect(pool, a, capabilities={"roots": {}})
    assert "echo" in [t["name"] for t in client.request("tools/list")["tools"]]
    if era != "legacy":
        modern = ModernClient(pool.url + "/mcp", {"X-Poold-Project": str(a)})
        assert modern.request("server/discover")["capabilities"]
        assert "echo" in [t["name"] for t in modern.request("tools/list")["tools"]]
    assert pool.daemon(a)["starts"] == starts and pool.daemon(a)["state"] == "down"


def test_what_is_asked_of_a_daemon_is_ended_there(pool, project):
    a = project("a")
    pool.ctl("ensure", a)
    wait_until(lambda: remembered(pool, a), "the server is known")
    client = connect(pool, a)
    client.notify("notifications/initialized")
    wait_until(lambda: len(json.loads(client.call("sessions"))) == 2, "poold's own session and the client's")


def test_a_client_of_another_kind_is_answered_in_its_own_revision(pool, project):
    a = project("a")
    pool.start()
    connect(pool, a).request("tools/list")
    wait_until(lambda: remembered(pool, a), "the server is known")
    starts = down(pool, a)
    other = connect(pool, a, "2025-03-26", {"sampling": {}})
    assert other.initialized["protocolVersion"] == "2025-03-26"
    assert other.request("tools/list")["tools"]
    assert pool.daemon(a)["starts"] == starts


def test_a_server_that_is_known_is_not_asked_again(pool, project):
    pool.configure({"fake": fake_server()})
    a = project("a")
    pool.ctl("ensure", a)
    wait_until(lambda: remembered(pool, a), "the server is known")
    down(pool, a)
    log = pool.state / "logs" / "poold.log"
    assert log.read_text().count("server is got to know") == 1
    pool.ctl("ensure", a)
    client = connect(pool, a)
    client.notify("notifications/initialized")
    for _ in range(25):  # longer than it would take to begin
        client.call("slow", seconds=0.1)
    assert log.read_text().count("server is got to know") == 1
