"""What one client object of each real SDK lives through: its daemon is evicted and killed, poold is killed.

Nothing is connected anew by hand. What is saved of what was under way differs by client: the table in
docs/clients.md says it, and its cells are what these tests see.
"""
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import HERE, alive, fake_server, make_project, wait_until
from documented import assert_documented
from mcp_client import Client
from sdk_clients import SdkError, sdk  # noqa: F401  (a fixture)

NAMES = {"ts1-http": "TypeScript SDK 1.32.2, Streamable HTTP", "ts1-sse": "TypeScript SDK 1.32.2, HTTP+SSE",
         "ts2-http": "TypeScript SDK 2.4.0, Streamable HTTP", "ts2-sse": "TypeScript SDK 2.4.0, HTTP+SSE",
         "py1-http": "Python SDK 1.30.0, Streamable HTTP", "py1-sse": "Python SDK 1.30.0, HTTP+SSE",
         "py2-http": "Python SDK 2.3.0, Streamable HTTP", "py2-sse": "Python SDK 2.3.0, HTTP+SSE",
         "ts2-modern": "TypeScript SDK 2.4.0, 2026-07-28", "py2-modern": "Python SDK 2.3.0, 2026-07-28",
         "ts1-stdio": "TypeScript SDK 1.32.2, `poolctl connect`", "py2-stdio": "Python SDK 2.3.0, `poolctl connect`"}
KINDS = list(NAMES)
HTTP = [kind for kind in KINDS if kind.endswith(("-http", "-modern"))]
SOME = ["ts1-http", "py1-http", "ts2-modern", "py2-modern"]  # real servers start slowly
SERVERS = {"fake": fake_server(), "fake-json": fake_server("--json"), "fake-sse": fake_server("--transport", "sse", type="sse"),
           "sdk": {"command": sys.executable, "type": "http",
                   "args": [str(HERE / "clients/sdk_server.py"), "${POOLD_PORT}", "${POOLD_PROJECT}"]},
           "sdk-stdio": {"command": sys.executable, "type": "stdio",
                         "args": [str(HERE / "clients/sdk_server.py"), "stdio", "${POOLD_PROJECT}"]}}
UNANSWERED = 10  # seconds after which a call counts as never answered


@pytest.fixture
def living(pool, sdk):
    """make(server, kinds) -> a connected client of each kind, each in a project of its own."""
    def make(server, kinds=KINDS):
        pool.configure({server: SERVERS[server]}, maxDaemons=20)
        projects = [make_project(pool, kind) for kind in kinds]
        at_once(lambda project: pool.ctl("ensure", project), projects)
        clients = [sdk(*both, connect=False) for both in zip(kinds, projects)]
        for client in clients:
            client.connected()
            assert str(client.cwd) in client.instructions
        assert all("echo" in client.ask("list") for client in clients)
        return clients
    return make


def daemons(pool):
    """project -> row of `poolctl list`."""
    return {d["project"]: d for d in pool.json("list")}


def at_once(what, *arguments):
    """[what(...) of each], all at the same time."""
    with ThreadPoolExecutor(len(arguments[0])) as threads:
        return list(threads.map(what, *arguments))


def all_call(clients):
    """The daemons' pids, asked at once."""
    asked = [(c, c.send_call("whoami")) for c in clients]
    return [pid_in(c, number) for c, number in asked]


def pid_in(client, number):
    said = json.loads(client.answer(number)["text"])
    assert said["project"] == str(client.cwd)
    return said["pid"]


def kill_daemons(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, pids)), "the daemons are dead")


def all_slow(pool, clients):
    """A long call of each, handed over to its daemon: their numbers."""
    numbers = [c.send_call("slow", seconds=60) for c in clients]
    wait_until(lambda: all(d["inFlight"] for d in daemons(pool).values()), "all calls are under way")
    return numbers


def works_by_itself(client, seconds=10):
    """How the client's next calls go: at once, after errors until it has reconnected, or not at all."""
    began = time.monotonic()
    refused = ""
    while time.monotonic() - began < seconds:
        number = client.send_call("whoami")
        if not client.has_answered(number, seconds):
            break
        try:
            pid_in(client, number)
            return "work" + refused
        except SdkError:
            refused = " after its reconnect"
            time.sleep(0.1)  # a user's patience
    return "connect anew"


def fate_of(client, number, seconds):
    """What became of a call that was under way."""
    if not client.has_answered(number, seconds):
        return "unanswered"
    try:
        return "answer" if client.answer(number)["text"] == "done" else "?"
    except SdkError as e:
        return "error that says so" if "may have run" in str(e) else "error"


def assert_fates(column, fates, kinds=KINDS):
    """One for each of the kinds, in that order."""
    assert_documented(column, {NAMES[kind]: fate for kind, fate in zip(kinds, fates)})


@pytest.mark.parametrize("server, kinds", [("fake", KINDS), ("fake-json", HTTP), ("fake-sse", KINDS[::3]), ("sdk", SOME),
                                           ("sdk-stdio", ["ts2-http", "py2-stdio"])])
def test_every_client_goes_on_when_its_daemon_is_evicted_or_killed(pool, living, server, kinds):
    clients = living(server, kinds)
    seen = [all_call(clients)]
    for client in clients:
        pool.ctl("evict", client.cwd)
    seen.append(all_call(clients))
    kill_daemons(seen[-1])
    seen.append(all_call(clients))
    numbers = all_slow(pool, clients)
    kill_daemons(seen[-1])
    died = time.monotonic()
    for client, number in zip(clients, numbers):
        with pytest.raises(SdkError, match="may have run|ended before it answered"):
            client.answer(number, 10 - (time.monotonic() - died))
    seen.append(all_call(clients))
    for client, lives in zip(clients, zip(*seen)):
        assert len(set(lives)) == 4, (client.kind, lives)


def test_calls_go_on_after_a_kill_of_poold_as_documented(pool, living):
    clients = living("fake")
    all_call(clients)
    pool.kill()
    assert_fates("calls after a kill of poold", at_once(works_by_itself, clients))


def calls_over_a_kill(pool, clients, age):
    """What becomes of a call of each that has gone on for so long when poold is killed; and their next calls."""
    all_call(clients)
    numbers = all_slow(pool, clients)
    time.sleep(age)
    pool.kill()
    fates = at_once(fate_of, clients, numbers, [UNANSWERED] * len(clients))
    return fates, at_once(works_by_itself, clients)


@pytest.mark.parametrize("server, kinds", [("fake", KINDS), ("sdk", SOME)])
def test_a_call_under_way_when_poold_is_killed_ends_as_documented(pool, living, server, kinds):
    fates, later = calls_over_a_kill(pool, living(server, kinds), 1)
    assert_fates("call under way in a kill of poold", fates, kinds)
    assert_fates("calls after that", later, kinds)


def test_a_call_under_way_of_a_stdio_server_gets_its_answer_over_a_kill_of_poold(pool, living):
    clients = living("sdk-stdio", SOME[:2])
    all_call(clients)
    numbers = [c.send_call("slow", seconds=4) for c in clients]
    wait_until(lambda: all(d["inFlight"] for d in daemons(pool).values()), "all calls are under way")
    time.sleep(1)  # a stream has begun by then
    pool.kill()
    assert at_once(fate_of, clients, numbers, [UNANSWERED] * len(clients)) == ["answer"] * len(clients)
    assert set(at_once(works_by_itself, clients)) == {"work"}


def test_a_call_whose_daemon_answers_in_json_is_saved_once_it_is_no_longer_short(pool, living):
    """Until then nothing was said to its client, and what a client does with a lost connection is its own affair."""
    clients = living("fake-json", HTTP)
    fates, later = calls_over_a_kill(pool, clients, 1)
    assert set(fates) == {"error that says so"} and set(later) == {"work"}
    fates, later = calls_over_a_kill(pool, clients, 0)
    assert_fates("the same in its first 0.4 s", fates, HTTP)
    assert_fates("calls after that one", later, HTTP)


def hears(client, tell, seconds=7):
    """Does it hear what its daemon tells, without doing anything?"""
    try:
        before = len(client.ask("heard"))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            tell.call("notify", all=True)
            tell.close()  # a connection that idles is closed by real servers
            for _ in range(10):
                if len(client.ask("heard")) > before:
                    return True
                time.sleep(0.05)
    except SdkError:
        pass  # the SDK has brought its whole process down
    return False


@pytest.mark.parametrize("server, kinds", [("fake", KINDS), ("sdk", SOME)])
def test_pushes_go_on_after_kills_of_poold_as_documented(pool, living, server, kinds):
    """Three kills, because SDKs count how often a stream was lost; nothing is called in between."""
    clients = living(server, kinds)
    all_call(clients)
    tellers = {c: Client(daemons(pool)[str(c.cwd)]["directUrl"]).open() for c in clients}
    hearing = clients
    assert all(at_once(hears, hearing, tellers.values()))
    for _ in range(3):
        pool.kill()
        heard = at_once(hears, hearing, [tellers[c] for c in hearing])
        hearing = [c for c, has_heard in zip(hearing, heard) if has_heard]
    assert_fates("pushes after kills of poold", ["go on" if c in hearing else "end" for c in clients], kinds)
