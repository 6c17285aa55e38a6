"""Clients of the real SDKs that speak 2026-07-28, and what real servers of either era make of the front."""
import json
import os
import signal
import sys

import pytest

from conftest import HERE, alive, fake_server, make_project, serena_dir, wait_until
from mcp_client import Client, ModernClient
from sdk_clients import PYTHON_OF_MCP1, sdk  # noqa: F401  (a fixture)

KINDS = ["ts2-modern", "py2-modern"]
SERVERS = {"legacy": fake_server(), "legacy-sse": fake_server("--transport", "sse", type="sse"),
           "both": {"command": sys.executable, "type": "http",
                    "args": [str(HERE / "clients/sdk_server.py"), "${POOLD_PORT}", "${POOLD_PROJECT}"]}}


@pytest.fixture(params=SERVERS)
def served(request, pool, project):
    """A project; its server speaks both eras, or only that of sessions (over either transport)."""
    pool.configure({"server": SERVERS[request.param]})
    pool.start()
    a = project()
    pool.ctl("ensure", a)  # one that starts slowly sends a client that would know sessions to those
    return a


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the daemon is dead")


def test_the_objects_outlive_their_daemon_and_poold(pool, served, sdk):
    clients = [sdk(kind, served, connect=False) for kind in KINDS]
    for client in clients:
        client.connected()
        assert "echo" in client.ask("list")
    assert str(served) in clients[0].instructions  # the Python client asks for none in this mode
    assert pool.daemon(served)["sessions"] == 2
    pids = []

    def all_in_one():
        [pid] = {client.whoami()["pid"] for client in clients}
        return pid
    pids.append(all_in_one())
    pool.ctl("evict", served)
    pids.append(all_in_one())
    kill(pids[-1])
    pids.append(all_in_one())
    assert len(set(pids)) == 3
    pool.kill()
    assert all_in_one() == pids[-1]
    assert all("echo" in client.ask("list") for client in clients)


def test_a_change_is_heard_by_who_listens_also_of_the_next_daemon(pool, served, sdk):
    clients = [sdk(kind, served) for kind in KINDS]

    def all_hear():
        before = [len(client.ask("heard")) for client in clients]

        def is_heard():
            for client in clients:
                client.call("notify")
            return all(len(client.ask("heard")) > n for client, n in zip(clients, before))
        wait_until(is_heard, "each heard of a change")
    all_hear()
    kill(clients[0].whoami()["pid"])
    all_hear()
    assert {note for client in clients for note in client.ask("heard")} == {"notifications/tools/list_changed"}


@pytest.mark.parametrize("kind", KINDS)
def test_progress_arrives(pool, project, sdk, kind):
    pool.start()
    slow = sdk(kind, project()).call("slow", progress=True, steps=4, seconds=0.4)
    assert slow["text"] == "done" and slow["progress"][:3] == [1, 2, 3]


def test_serena_is_used_in_both_eras_and_remembered_in_each(pool, sdk):
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    a = make_project(pool, "a")
    (a / "m.py").write_text("def shared():\n    return 'body of a'\n")
    pool.start()
    pool.ctl("ensure", a)
    clients = [sdk(kind, a) for kind in KINDS]
    old = Client(pool.url + "/mcp", {"X-Poold-Project": str(a)}).open()
    new = ModernClient(pool.url + "/mcp", {"X-Poold-Project": str(a)})
    asked = [(c, c.send_call("find_symbol", name_path_pattern="shared", include_body=True)) for c in clients]
    assert all("body of a" in c.answer(number, 120)["text"] for c, number in asked)
    # What Serena says of itself differs by era: neither is made of the other.
    found = new.request("server/discover")
    assert found["capabilities"]["resources"]["subscribe"] is True
    assert old.initialized["capabilities"]["resources"]["subscribe"] is False
    tools = [t["name"] for t in new.request("tools/list")["tools"]]
    assert "find_symbol" in tools
    kill(pool.daemon(a)["pid"])
    asked = [(c, c.send_call("find_symbol", name_path_pattern="shared", include_body=True)) for c in clients]
    assert all("body of a" in c.answer(number, 120)["text"] for c, number in asked)
    pool.ctl("stop", "--now", a)
    wait_until(lambda: pool.daemon(a)["state"] == "down", "down")
    assert new.request("server/discover")["capabilities"] == found["capabilities"]
    assert [t["name"] for t in new.request("tools/list")["tools"]] == tools


@pytest.mark.parametrize("version, program", [("1", PYTHON_OF_MCP1), ("2", sys.executable)])
def test_no_session_is_left_behind_in_a_real_server_by_the_question_what_it_speaks(pool, project, version, program):
    if not os.path.exists(program):
        pytest.skip(f"{program} is not there: ./runtests installs it")
    a = project()
    pool.configure({"era": {"command": str(program), "type": "http",
                            "args": [str(HERE / "clients/era_server.py"), "${POOLD_PORT}"]}})
    pool.ctl("ensure", a)
    client = ModernClient(pool.url + "/mcp", {"X-Poold-Project": str(a)})
    found = client.request("server/discover")
    # poold's own, and before a server of sessions the one that the front keeps for this client.
    assert client.call("sessions") == {"1": "2", "2": "1"}[version]
    other = ModernClient(pool.url + "/mcp", {"X-Poold-Project": str(a)})
    assert other.request("server/discover") == found
    assert other.call("sessions") == {"1": "2", "2": "1"}[version]
    with open(pool.state / "logs" / "poold.log") as log:
        assert "HTTP status 5" not in log.read()
