"""When daemons go, and when they stay: idle time, full pool, memory, pins, health."""
import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from conftest import alive, fake_server, wait_until
from mcp_client import Client, RpcError, Stream

DEGRADED, POOL_FULL = 6, 18


def open_client(pool, path, **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(path)}, **kw).open()


def state(pool, path):
    return pool.daemon(path)["state"]


def is_gone(pool, path, reason, seconds=10):
    """Waits until the daemon went, for this reason."""
    d = wait_until(lambda: (lambda d: d if d["state"] == "down" else None)(pool.daemon(path)), "it goes", seconds)
    assert d["reason"] == reason
    ends = [h for h in pool.json("history", path) if h["event"] == "end"]
    assert ends[0]["reason"] == reason


@contextmanager
def call_under_way(pool, path, seconds):
    """A slow call; leaves when it is answered."""
    client = open_client(pool, path)
    with ThreadPoolExecutor(1) as other:
        call = other.submit(client.call, "slow", seconds=seconds)
        wait_until(lambda: state(pool, path) == "busy", "it is busy")
        yield call
        assert call.result() == "done"


# --- idle time ---

def test_an_idle_daemon_goes_and_comes_back_for_the_same_session(pool, project):
    repo = project()
    pool.configure(idleSeconds=1)
    pool.start()
    client = open_client(pool, repo)
    pid = client.whoami()["pid"]
    evict_in = pool.daemon(repo)["evictInMs"]
    assert 0 < evict_in <= 1000
    is_gone(pool, repo, "idle")
    assert not alive(pid)
    assert client.whoami()["pid"] != pid


def test_use_puts_the_end_off(pool, project):
    repo = project()
    pool.configure(idleSeconds=1)
    pool.start()
    client = open_client(pool, repo)
    pid, end = client.whoami()["pid"], time.monotonic() + 2.5
    while time.monotonic() < end:
        time.sleep(0.3)
        assert client.whoami()["pid"] == pid


def test_an_open_stream_alone_does_not_pin(pool, project):
    repo = project()
    pool.configure(idleSeconds=1)
    pool.start()
    client = open_client(pool, repo)
    client.whoami()
    stream = Stream(pool.url + "/mcp", {"X-Poold-Project": str(repo), "Mcp-Session-Id": client.session})
    assert stream.response.status == 200
    is_gone(pool, repo, "idle")
    assert not stream.ended  # the stream is the front's
    stream.close()


def test_a_call_in_flight_pins_also_when_its_client_has_left(pool, project):
    repo = project()
    pool.configure(idleSeconds=1)
    pool.start()
    with call_under_way(pool, repo, 2.5):
        time.sleep(1.5)
        d = pool.daemon(repo)
        assert d["state"] == "busy" and d["evictInMs"] is None and d["evictWhy"] == "busy"
    assert state(pool, repo) == "ready"
    client = open_client(pool, repo)
    client.call("echo", text="the link is open")  # a call that waits for it is dropped with its client
    client.connection.request("POST", "/mcp", json.dumps({
        "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "slow", "arguments": {"seconds": 2.5}}}),
        {**client.headers, "Mcp-Session-Id": client.session, "Content-Type": "application/json",
         "Accept": "application/json, text/event-stream"})
    wait_until(lambda: state(pool, repo) == "busy", "it is busy")
    client.close()
    time.sleep(1.5)
    assert state(pool, repo) == "busy"
    is_gone(pool, repo, "idle")


def test_pinned_ones_and_those_without_idle_time_stay(pool, project):
    a, b, c = project("a"), project("b"), project("c")
    pool.configure({"fake": fake_server(), "kept": fake_server(evict=False), "forever": fake_server(idleSeconds=0)},
                   idleSeconds=1)
    pool.ctl("ensure", "--no-wait", a)
    pool.ctl("pin", a)
    pool.ctl("ensure", a)
    pool.ctl("ensure", "--server", "kept", b)
    pool.ctl("ensure", "--server", "forever", c)
    assert {d["evictWhy"] for d in pool.json("list")} == {"pinned", "evict is false", "never (idleSeconds 0)"}
    time.sleep(1.5)
    assert {d["state"] for d in pool.json("list")} == {"ready"}
    pool.ctl("unpin", a)
    is_gone(pool, a, "idle")
    assert state(pool, b) == state(pool, c) == "ready"


# --- a full pool ---

def test_the_least_recently_used_idle_one_makes_room(pool, project):
    a, b, c = project("a"), project("b"), project("c")
    pool.configure(maxDaemons=2)
    pool.start()
    first, second = open_client(pool, a), open_client(pool, b)
    first.whoami(), second.whoami(), first.whoami()
    pool.ctl("ensure", c)
    assert (state(pool, a), state(pool, b), state(pool, c)) == ("ready", "down", "ready")
    is_gone(pool, b, "pool-full")
    second.whoami()  # comes back, and now a is the oldest
    assert (state(pool, a), state(pool, b), state(pool, c)) == ("down", "ready", "ready")


def test_a_busy_one_never_makes_room_and_the_next_waits_for_its_call(pool, project):
    a, b, c = project("a"), project("b"), project("c")
    pool.configure(maxDaemons=2)
    pool.start()
    with ThreadPoolExecutor(1) as other, call_under_way(pool, a, 3), call_under_way(pool, b, 6):
        third = other.submit(pool.ctl, "ensure", c)
        d = wait_until(lambda: (lambda d: d if d and d["detail"] else None)(pool.daemon(c)), "it waits, and says why")
        assert d["state"] == "starting" and "the pool is full" in d["detail"] and d["step"] == "queued"
        assert state(pool, a) == state(pool, b) == "busy"
        assert third.result().stdout
        assert state(pool, b) == "busy" and state(pool, c) == "ready" and state(pool, a) == "down"
    assert pool.daemon(a)["reason"] == "pool-full"


def test_pinned_ones_never_make_room(pool, project):
    a, b = project("a"), project("b")
    pool.configure(maxDaemons=1)
    pool.ctl("ensure", a)
    pool.ctl("pin", a)
    late = pool.ctl("ensure", "--timeout", "1", b, check=False)
    assert late.returncode == POOL_FULL and "pool is full" in late.stderr
    with pytest.raises(RpcError, match="pool is full"):
        pool.configure(maxDaemons=1, startWaitSeconds=1)
        pool.ctl("reload")
        open_client(pool, b).call("echo", text="x")
    pool.ctl("unpin", a)
    wait_until(lambda: state(pool, b) == "ready", "it gets in")
    assert pool.daemon(a)["reason"] == "pool-full"


def test_starts_are_one_at_a_time_if_asked(pool, project):
    paths = [project(name) for name in "abc"]
    pool.configure({"fake": fake_server("--start-delay", "0.5")}, maxParallelStarts=1)
    pool.start()
    most, stop = [0], threading.Event()

    def watch():
        while not stop.is_set():
            rows = pool.json("list")
            most[0] = max(most[0], sum(d["state"] == "starting" and d["pid"] is not None for d in rows))
    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(3) as many:
        assert all(many.map(lambda p: pool.ctl("ensure", p).stdout, paths))
    stop.set()
    watcher.join()
    assert most[0] == 1
    times = sorted((h["at"], h["event"]) for h in pool.json("history") if h["event"] in ("start", "ready"))
    assert [event for _, event in times] == ["start", "ready"] * 3


def test_the_memory_budget_sends_idle_ones_away(pool, project):
    a, b = project("a"), project("b")
    pool.configure(memoryBudgetMiB=120)
    pool.start()
    first, second = open_client(pool, a), open_client(pool, b)
    first.call("grow", megabytes=80)
    with call_under_way(pool, b, 9):
        assert state(pool, a) == "ready"
        second.call("grow", megabytes=80)
        is_gone(pool, a, "memory", 12)
        assert state(pool, b) == "busy"
    assert state(pool, b) == "ready" and pool.daemon(b)["memoryBytes"] > 80 << 20


# --- health ---

def test_a_stopped_daemon_is_noticed_shown_and_left_alone(pool, project):
    repo = project()
    pool.configure(healthSeconds=1)
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    os.kill(d["pid"], signal.SIGSTOP)
    try:
        ill = wait_until(lambda: (lambda d: d if d["health"]["mcp"] == "failed" else None)(pool.daemon(repo)), "noticed")
        assert "SIGSTOP" in ill["health"]["cause"] and str(d["pid"]) in ill["health"]["cause"]
        assert ill["daemonId"] == d["daemonId"]
        shown = pool.ctl("status", repo).stdout
        assert "SIGSTOP" in shown and "kill -CONT" in shown
        assert pool.ctl("ensure", repo, check=False).returncode == DEGRADED
    finally:
        os.kill(d["pid"], signal.SIGCONT)
    well = wait_until(lambda: (lambda d: d if d["health"]["mcp"] == "ok" else None)(pool.daemon(repo)), "well again")
    assert well["daemonId"] == d["daemonId"] and well["health"]["cause"] is None


def test_a_stopped_daemon_can_be_restarted(pool, project):
    repo = project()
    pool.ctl("ensure", repo)
    d = pool.daemon(repo)
    os.kill(d["pid"], signal.SIGSTOP)
    pool.ctl("restart", repo)
    assert not alive(d["pid"]) and pool.daemon(repo)["state"] == "ready"


def test_a_long_call_is_not_taken_for_a_mute_daemon(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--one-at-a-time")}, healthSeconds=1)
    pool.start()
    with call_under_way(pool, repo, 10):
        pid = pool.daemon(repo)["pid"]
        busy = wait_until(lambda: (lambda h: h if h["mcp"] == "unknown" else None)(pool.daemon(repo)["health"]),
                          "the ping waits behind the call", 14)
        assert "busy" in busy["cause"]
    assert pool.daemon(repo)["pid"] == pid
    wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "ok", "it answers again")


def test_a_long_warm_up_is_not_taken_for_a_mute_daemon(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--one-at-a-time", warmup={"tool": "slow", "arguments": {"seconds": 9}})},
                   healthSeconds=1)
    pool.ctl("ensure", repo)
    pid = pool.daemon(repo)["pid"]
    wait_until(lambda: "busy with its warm-up" in (pool.daemon(repo)["health"]["cause"] or ""), "it is shown")
    pool.ctl("ensure", "--warm", repo)
    d = pool.daemon(repo)
    assert d["pid"] == pid and d["health"]["useful"] == "ok" and d["starts"] == 1


def test_a_mute_idle_daemon_is_started_anew(pool, project):
    repo = project()
    pool.configure(healthSeconds=1)
    pool.start()
    client = open_client(pool, repo)
    pid = client.whoami()["pid"]
    client.call("mute")
    wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "failed", "it is noticed", 15)
    assert "no answer" in pool.daemon(repo)["health"]["cause"]
    wait_until(lambda: not alive(pid), "it is ended", 25)
    wait_until(lambda: state(pool, repo) == "ready", "it is started anew")
    assert client.whoami()["pid"] != pid
    ends = [h for h in pool.json("history", repo) if h["event"] == "end"]
    assert ends[0]["reason"] == "unresponsive" and "no answer" in ends[0]["detail"]


def test_a_degraded_daemon_is_an_exit_status_of_its_own_and_says_why(pool, project):
    repo = project()
    pool.configure({"fake": fake_server("--warm-text", "Error: no language server for python",
                                        warmup={"tool": "warm", "arguments": {}})})
    done = pool.ctl("ensure", "--warm", repo, check=False)
    assert done.returncode == DEGRADED and "no language server for python" in done.stderr
    assert re.fullmatch(r"http://\S+\n", done.stdout)
    d = pool.daemon(repo)
    assert d["state"] == "ready" and d["health"]["useful"] == "failed"
    assert "no language server for python" in d["health"]["cause"]
    assert "no language" in pool.ctl("list").stdout
    assert open_client(pool, repo).call("echo", text="x") == "x"
