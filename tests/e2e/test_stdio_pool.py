"""Stdio daemons below the front: the pool's one handshake with them, their health, and that they outlive poold.

Faults come from fake_stdio.py, which writes down what it is told; the rest are real servers.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcp_client import Client
from conftest import HERE, alive, serena_dir, wait_until

FAKE = HERE / "fake_stdio.py"
START_FAILED = 4


def fake(pool, *options, **entry):
    """A server entry that starts the fake; its journal is pool.home/journal."""
    return {"command": sys.executable, "args": [str(FAKE), "--journal", str(pool.home / "journal"), *options], **entry}


def journal(pool, pid=None):
    """What the fake was told (this life of it), oldest first: messages, and the words it notes itself."""
    try:
        lines = (pool.home / "journal").read_text(encoding="utf-8").split("\n")[:-1]
    except OSError:
        return []
    told = [line.split(" ", 1) for line in lines]
    return [json.loads(text) if text[0] == "{" else text for who, text in told if pid in (None, int(who))]


def methods(pool, pid=None):
    return [m["method"] for m in journal(pool, pid) if isinstance(m, dict) and "method" in m]


def born(pool, pid):
    """cwd and environment of a life of the fake."""
    return next(json.loads(m[6:]) for m in journal(pool, pid) if isinstance(m, str) and m.startswith("START "))


def up(pool, path, *words):
    """ensure, and the daemon's row."""
    pool.ctl("ensure", path, *words)
    d = pool.daemon(path)
    assert d["state"] == "ready" and d["health"]["process"] == d["health"]["accepts"] == d["health"]["mcp"] == "ok"
    return d


def log(pool, word):
    return [line for line in (pool.state / "logs" / "poold.log").read_text().splitlines() if word in line]


# --- the handshake ---

def test_a_stdio_daemon_is_ready_after_the_pools_one_handshake(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool)})
    d = up(pool, repo)
    assert d["port"] is None and d["directUrl"] is None and d["url"] and alive(d["pid"])
    assert pool.ctl("ensure", repo, "--direct", check=False).returncode != 0
    asked, told = [m for m in journal(pool) if isinstance(m, dict)][:2]
    assert asked["method"] == "initialize" and asked["params"]["protocolVersion"] == "2025-11-25"
    assert asked["params"]["capabilities"] == {"roots": {"listChanged": False}}
    assert asked["params"]["clientInfo"]["name"] == "poold"
    assert told == {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert "server/discover" not in methods(pool)
    up(pool, repo)
    assert methods(pool).count("initialize") == 1


def test_its_questions_for_roots_and_its_ping_are_answered_with_the_project(pool, project):
    repo = project("a b%\u00e9")
    pool.configure({"lines": fake(pool, "--roots")})
    up(pool, repo)
    answers = wait_until(lambda: (lambda a: a if len(a) == 2 else None)(
        [m for m in journal(pool) if isinstance(m, dict) and "result" in m]), "both are answered")
    assert answers[0]["id"] == "r1" and answers[1] == {"jsonrpc": "2.0", "id": 2, "result": {}}
    (root,) = answers[0]["result"]["roots"]
    assert root["name"] == "a b%\u00e9" and root["uri"] == f"file://{pool.home}/a%20b%25%C3%A9"


def test_it_is_started_as_a_client_would_start_it(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool, env={"DIR": "${CLAUDE_PROJECT_DIR}/sub"})})
    it = born(pool, up(pool, repo)["pid"])
    assert it["cwd"] == str(repo) and it["env"]["CLAUDE_PROJECT_DIR"] == str(repo)
    assert it["env"]["DIR"] == f"{repo}/sub" and "POOLD_PORT" not in it["env"]
    shown = pool.ctl("why", repo).stdout
    assert str(FAKE) in shown


@pytest.mark.parametrize("option", ["--windows", "--u2028"], ids=["CR LF", "U+2028"])
def test_a_message_ends_at_lf_only(pool, project, option):
    repo = project()
    pool.configure({"lines": fake(pool, option)})
    up(pool, repo)
    assert not log(pool, "no JSON-RPC message")


def test_what_is_no_message_on_its_stdout_is_logged_and_dropped(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool, "--rubbish")})
    d = up(pool, repo)
    said = log(pool, "no JSON-RPC message")
    assert len(said) == 4 and "Welcome to the server!" in said[0] and d["daemonId"] in said[0]


def test_a_huge_answer_to_initialize_is_kept_whole(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool, "--big-handshake", "900000")})
    d = up(pool, repo)
    pool.kill()
    wait_until(lambda: pool.daemon(repo), "the list is there")
    assert up(pool, repo)["pid"] == d["pid"] and methods(pool).count("initialize") == 1


# --- failures ---

@pytest.mark.parametrize("options, words", [
    (["--refuse"], "refuses the MCP handshake"), (["--no-handshake"], "handshake was not answered within 2 s"),
    (["--big-handshake", "3000000"], "too long")], ids=["an error", "silence", "too much"])
def test_without_a_handshake_the_start_has_failed_with_its_cause(pool, project, options, words):
    repo = project()
    pool.configure({"lines": fake(pool, *options)}, startTimeoutSeconds=2)
    done = pool.ctl("ensure", repo, check=False)
    assert done.returncode in (START_FAILED, 5) and words in done.stderr
    wait_until(lambda: not alive(int((pool.home / "journal").read_text().split(" ", 1)[0])), "it is ended")
    assert methods(pool).count("initialize") == 1


def test_a_program_that_ends_at_once_has_failed_with_its_last_words(pool, project):
    repo = project()
    pool.configure({"lines": {"command": "sh", "args": ["-c", "echo no such thing >&2; exit 3"]}})
    done = pool.ctl("ensure", repo, check=False)
    assert done.returncode == START_FAILED and "exit status 3" in done.stderr and "no such thing" in done.stderr


def test_a_crash_is_noted_and_the_next_ensure_starts_it_with_a_new_handshake(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool)})
    d = up(pool, repo)
    os.kill(d["pid"], signal.SIGKILL)
    wait_until(lambda: pool.daemon(repo)["state"] == "down", "it is down")
    again = up(pool, repo)
    assert again["pid"] != d["pid"] and methods(pool, again["pid"])[:2] == ["initialize", "notifications/initialized"]


# --- health ---

def test_one_that_answers_no_ping_is_started_anew(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool, "--mute")}, healthSeconds=1)
    d = up(pool, repo)
    wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "failed", "it is seen")
    wait_until(lambda: pool.daemon(repo)["pid"] not in (None, d["pid"]), "the next one", 40)


def test_a_stopped_one_is_shown_with_the_way_out(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool)}, healthSeconds=1)
    d = up(pool, repo)
    os.kill(d["pid"], signal.SIGSTOP)
    try:
        health = wait_until(lambda: (lambda h: h if h["mcp"] == "failed" else None)(pool.daemon(repo)["health"]), "seen")
        assert f"kill -CONT {d['pid']}" in health["cause"]
    finally:
        os.kill(d["pid"], signal.SIGCONT)
    wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "ok", "it is fine again")
    assert pool.daemon(repo)["pid"] == d["pid"]


@pytest.mark.parametrize("options, useful", [([], "ok"), (["--sick"], "failed")], ids=["works", "fails"])
def test_the_warm_up_shows_whether_its_tools_work(pool, project, options, useful):
    repo = project()
    pool.configure({"lines": fake(pool, *options, warmup={"tool": "warm", "arguments": {"a": 1}})})
    up(pool, repo)
    health = wait_until(lambda: (lambda h: h if h["useful"] != "unknown" else None)(pool.daemon(repo)["health"]), "it ran")
    assert health["useful"] == useful
    call = next(m for m in journal(pool) if isinstance(m, dict) and m.get("method") == "tools/call")
    assert call["params"] == {"name": "warm", "arguments": {"a": 1}} and call["id"].startswith("poold.pool.")


# --- poold goes, the daemon stays ---

def test_after_a_kill_of_poold_the_next_one_goes_on_with_the_same_connection(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool)}, healthSeconds=1)
    d = up(pool, repo)
    before = len(journal(pool))
    for _ in range(3):
        pool.kill()
        wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "ok", "it is seen to be fine")
    now = pool.daemon(repo)
    assert (now["pid"], now["daemonId"], now["state"]) == (d["pid"], d["daemonId"], "ready")
    wait_until(lambda: methods(pool).count("ping") >= 4, "it is pinged")
    assert methods(pool).count("initialize") == methods(pool).count("notifications/initialized") == 1
    ids = [m["id"] for m in journal(pool)[before:] if isinstance(m, dict)]
    assert len(ids) == len(set(ids))


def test_a_handshake_that_was_under_way_is_finished_by_the_next_poold(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool, "--slow-handshake", "2")})
    pool.start()
    pool.ctl("ensure", "--no-wait", repo)
    wait_until(lambda: "initialize" in methods(pool), "it is asked")
    pid = pool.daemon(repo)["pid"]
    pool.kill()
    assert up(pool, repo)["pid"] == pid
    assert methods(pool) == ["initialize", "notifications/initialized", "ping"]


def test_one_that_has_not_been_asked_yet_is_asked_by_the_next_poold(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool, "--start-delay", "2")})
    pool.start()
    pool.ctl("ensure", "--no-wait", repo)
    pid = wait_until(lambda: pool.daemon(repo)["pid"], "it is spawned")
    pool.kill()
    assert up(pool, repo)["pid"] == pid
    assert methods(pool)[:2] == ["initialize", "notifications/initialized"] and methods(pool).count("initialize") == 1


def test_after_a_loss_of_the_registry_it_is_started_anew(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool)})
    d = up(pool, repo)
    pool.ctl("shutdown", "--keep-daemons")
    for file in pool.state.glob("registry.db*"):
        file.unlink()
    pool.start()
    now = wait_until(lambda: (lambda d: d if d and d["state"] == "ready" else None)(pool.daemon(repo)), "it is back")
    assert now["pid"] != d["pid"] and not alive(d["pid"])
    assert methods(pool, d["pid"]).count("initialize") == methods(pool, now["pid"]).count("initialize") == 1
    assert "handshake-lost" in [h["reason"] for h in pool.json("history", repo)]


def test_without_poold_it_is_ended_after_its_orphan_time(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool)}, orphanSeconds=1)
    d = up(pool, repo)
    pool.ctl("shutdown", "--keep-daemons")
    wait_until(lambda: not alive(d["pid"]), "it is ended")


# --- the end ---

def test_a_stop_begins_with_the_end_of_its_input(pool, project):
    repo = project()
    pool.configure({"lines": fake(pool)})
    d = up(pool, repo)
    pool.ctl("stop", repo)
    assert not alive(d["pid"]) and journal(pool)[-1] == "EOF"
    assert "exited with code 0 (asked)" in (pool.state / "logs" / f"{d['projectKey']}.lines.log").read_text()


@pytest.mark.parametrize("options", [["--ignore-eof"], ["--ignore-eof", "--ignore-term"]], ids=["TERM", "KILL"])
def test_one_that_does_not_go_by_that_is_ended(pool, project, options):
    repo = project()
    pool.configure({"lines": fake(pool, *options)}, stopGraceSeconds=2)
    d = up(pool, repo)
    begin = time.monotonic()
    pool.ctl("stop", repo)
    assert not alive(d["pid"]) and time.monotonic() - begin < 8


# --- private ones ---

def test_a_private_server_is_warm_as_a_process_and_left_to_its_client(pool, project):
    repo = project()
    pool.configure({"own": fake(pool, share="session", warmup={"tool": "warm"})}, healthSeconds=1)
    d = up(pool, repo)
    assert d["private"] and d["spare"] and d["instance"] == 0
    wait_until(lambda: methods(pool).count("ping") >= 3, "it is pinged on")
    assert set(methods(pool)) == {"ping"}
    assert "own (spare)" in pool.ctl("list").stdout
    pool.kill()
    wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "ok", "the next poold has seen that it is fine")
    now = pool.daemon(repo)
    assert (now["pid"], now["spare"]) == (d["pid"], True)
    pool.ctl("restart", repo)
    again = pool.daemon(repo)
    assert again["state"] == "ready" and again["pid"] != d["pid"]
    pool.ctl("pin", repo)
    assert pool.daemon(repo)["pinned"] and pool.ctl("evict", repo, check=False).returncode != 0
    pool.ctl("unpin", repo)
    pool.ctl("evict", repo)
    assert pool.daemon(repo)["state"] == "down" and not alive(again["pid"])


def test_one_that_answers_no_ping_is_ready_when_it_has_run_for_a_second(pool, project):
    repo = project()
    pool.configure({"own": fake(pool, "--no-ping", share="session")}, healthSeconds=1)
    d = up(pool, repo)
    wait_until(lambda: methods(pool).count("ping") >= 6, "it is pinged in vain")
    assert pool.daemon(repo)["pid"] == d["pid"] and pool.daemon(repo)["health"]["mcp"] == "ok"


def test_servers_that_are_known_not_to_be_shared_are_private_unless_the_configuration_says_otherwise(pool, project):
    repo = project()
    pool.configure({"everything": node_server("server-everything", "stdio"),
                    "shared": {**node_server("server-everything", "stdio"), "share": "project"},
                    "time": python_server("mcp_server_time")})
    for server, is_private in (("everything", True), ("shared", False), ("time", False)):
        pool.ctl("ensure", repo, "--server", server)
        assert pool.daemon(repo, server)["private"] is is_private


# --- real servers ---

def node_server(name, *words):
    return {"command": os.environ.get("POOLD_TEST_NODE", "node"),
            "args": [str(Path(os.environ.get("POOLD_TEST_NODE_MODULES", "node_modules")) / "@modelcontextprotocol" / name
                         / "dist" / "index.js"), *words]}


def python_server(name, *words, **entry):
    return {"command": sys.executable, "args": ["-m", name, *words], **entry}


REAL = {
    "git": python_server("mcp_server_git"),
    "time": python_server("mcp_server_time", "--local-timezone", "UTC",
                          warmup={"tool": "get_current_time", "arguments": {"timezone": "UTC"}}),
    "filesystem": node_server("server-filesystem"),
    "memory": node_server("server-memory"),
    "everything": {**node_server("server-everything", "stdio"), "share": "project"},
}


def test_the_first_call_after_a_start_finds_a_server_that_has_its_roots(pool, project):
    pool.configure({"filesystem": {**REAL["filesystem"], "args": [*REAL["filesystem"]["args"], str(pool.home)]}})
    pool.start()
    for name in ("a", "b"):
        repo = project(name)
        client = Client(f"{pool.url}/mcp", {"X-Poold-Project": str(repo)}).open()
        assert client.call("list_allowed_directories").splitlines()[1:] == [str(repo)]


@pytest.mark.parametrize("name", REAL)
def test_a_real_server_is_shared_and_outlives_poold(pool, project, name):
    repo = project()
    subprocess.run(["git", "init", "-q", repo], check=True)
    pool.configure({name: REAL[name]}, healthSeconds=1)
    d = up(pool, repo)
    if "warmup" in REAL[name]:
        wait_until(lambda: pool.daemon(repo)["health"]["useful"] == "ok", "its tools work")
    pool.kill()
    wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "ok", "the next poold has seen that it is fine")
    now = pool.daemon(repo)
    assert (now["pid"], now["state"]) == (d["pid"], "ready")
    pool.ctl("stop", repo)
    said = (pool.state / "logs" / f"{d['projectKey']}.{name}.log").read_text()
    assert not alive(d["pid"]) and re.search(r"(exited with code|was ended by signal) \d+ \(asked\)", said)
    assert not log(pool, "no JSON-RPC message")


def test_serena_over_stdio_is_shared_and_outlives_poold(pool, project):
    serena = serena_dir()
    repo = project()
    (repo / "a.py").write_text("def one():\n    return 1\n")
    pool.configure({"serena": {"command": "${POOLD_SERENA}", "args": [
        "start-mcp-server", "--transport", "stdio", "--project", "${POOLD_PROJECT}"], "env": {
            "SERENA_HOME": "${POOLD_SERENA_HOME}"}, "type": "stdio"}}, healthSeconds=1)
    assert serena
    d = up(pool, repo)
    pool.kill()
    wait_until(lambda: pool.daemon(repo)["health"]["mcp"] == "ok", "the next poold has seen that it is fine")
    assert pool.daemon(repo)["pid"] == d["pid"]
    pool.ctl("stop", repo)
    assert not alive(d["pid"])
