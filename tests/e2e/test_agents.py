"""Claude Code and Codex, each one process over several turns, while its daemon and poold die between and in them."""
import json
import os
import signal
import time

import pytest

from agents import ClaudeCode, Codex
from conftest import alive, wait_until
from documented import assert_documented
from mcp_client import Client


@pytest.fixture(params=[ClaudeCode, Codex])
def agent(pool, project, request):
    """One that runs in a project, and has called its daemon once."""
    pool.start()
    made = request.param(pool, project())
    whoami(made)
    yield made
    made.close()


def whoami(agent):
    """The daemon's pid, as its tool tells it to the agent."""
    said = json.loads(agent.do("whoami"))
    assert said["project"] == str(agent.cwd)
    return said["pid"]


def begin_slow(pool, agent):
    agent.begin("slow", seconds=60)
    wait_until(lambda: pool.daemon(agent.cwd)["inFlight"], "the call is under way")


def test_the_agent_goes_on_when_its_daemon_is_evicted_or_killed(pool, agent):
    pids = [whoami(agent)]
    pool.ctl("evict", agent.cwd)
    pids.append(whoami(agent))
    os.kill(pids[-1], signal.SIGKILL)
    wait_until(lambda: not alive(pids[-1]), "the daemon is dead")
    pids.append(whoami(agent))
    begin_slow(pool, agent)
    os.kill(pids[-1], signal.SIGKILL)
    assert "may have run" in agent.result(10)
    pids.append(whoami(agent))
    assert len(set(pids)) == 4


def test_the_agent_goes_on_when_poold_is_killed(pool, agent):
    pid = whoami(agent)
    for _ in range(2):
        pool.kill()
        assert whoami(agent) == pid
    assert_documented("calls after a kill of poold", {agent.name: "work"})
    begin_slow(pool, agent)
    pool.kill()
    said = agent.result(20)
    assert_documented("call under way in a kill of poold", {
        agent.name: "unanswered" if said is None else "error that says so" if "may have run" in said else "error"})
    assert whoami(agent) == pid
    assert_documented("calls after that", {agent.name: "work"})


def hears_of(agent, tool, seconds=8):
    """Is the model offered that tool within that time? Turns go on meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        whoami(agent)
        if tool in agent.offered:
            return True
    return False


def test_the_agent_hears_of_new_tools_after_kills_of_poold_as_documented(pool, agent):
    teller = Client(pool.daemon(agent.cwd)["directUrl"]).open()
    agent.watch_tools()
    teller.call("learn", called="new")
    fate = "no use of them" if not hears_of(agent, "new") else "go on"
    for n in range(3):
        pool.kill()
        teller.call("learn", called=f"new{n}")
        if fate == "go on" and not hears_of(agent, f"new{n}"):
            fate = "end"
    assert_documented("pushes after kills of poold", {agent.name: fate})
