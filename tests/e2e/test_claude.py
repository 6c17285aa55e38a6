"""Claude Code's own command line, with a scripted model: added once, it reaches the project it is started in.

POOLD_TEST_FIRST_TURNS (default 20) is how often a session is started while Serena is down.
"""
import json
import os
import signal
import subprocess

import pytest

from agents import CLAUDE, claude_environment
from clients.scripted_model import Model
from conftest import alive, fake_server, make_project, serena_dir, wait_until
from mcp_client import Client

FIRST_TURNS = int(os.environ.get("POOLD_TEST_FIRST_TURNS", 20))
pytestmark = pytest.mark.skipif(not CLAUDE.exists(), reason=f"Claude Code is not at {CLAUDE}: ./runtests installs it")


class Claude:
    """The program with a home of its own, in which poold was added once."""

    def __init__(self, pool, model, transport="http", url=None):
        self.model = model
        home = pool.root / "claude"
        home.mkdir()
        self.env = claude_environment(home, model)
        self.run(pool.home, "mcp", "add", "--transport", transport, "--scope", "user", "poold",
                 (url or pool.url) + ("/mcp" if transport == "http" else "/sse"))

    def start(self, cwd, *words):
        return subprocess.Popen([CLAUDE, *words], cwd=cwd, env=self.env, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @staticmethod
    def end(process):
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"claude hangs: {process.communicate()}")
        assert process.returncode == 0, (out, err)
        return out

    def run(self, cwd, *words):
        return self.end(self.start(cwd, *words))

    def prompt(self, cwd, *calls):
        """Start `claude -p` with these (tool, arguments); said() of it gives what the tools answered."""
        text = "\n".join(f"CALL mcp__poold__{tool} {json.dumps(arguments)}" for tool, arguments in calls) or "hello"
        tools = ",".join(sorted({f"mcp__poold__{tool}" for tool, _ in calls}))
        return self.start(cwd, "-p", text, "--output-format", "json", "--allowedTools", tools)

    def said(self, process):
        answer = json.loads(self.end(process))
        assert not answer["is_error"], answer
        return answer["result"]


@pytest.fixture
def claude(pool):
    """make(between=...) -> a Claude; between(n) runs before its model's n-th call."""
    models = []

    def make(**kw):
        models.append(Model(**kw))
        return Claude(pool, models[-1])
    yield make
    for model in models:
        model.close()


def test_added_once_each_session_reaches_the_project_it_is_in(pool, project, claude):
    a, b = project("a"), project("b")
    pool.start()
    program = claude()
    running = [(program.prompt(cwd, ("whoami", {}), ("echo", {"text": f"from {root.name}"})), root)
               for cwd, root in ((a, a), (b / "sub", b))]
    for process, root in running:
        who, echoed = program.said(process).splitlines()
        assert json.loads(who)["project"] == str(root)
        assert echoed == f"from {root.name}"
    assert {d["project"]: d["state"] for d in pool.json("list")} == {str(a): "ready", str(b): "ready"}


def test_its_list_says_connected(pool, project, claude):
    a = project("a")
    pool.start()
    shown = claude().run(a, "mcp", "list")
    assert f"poold: {pool.url}/mcp (HTTP) - ✔ Connected" in shown
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "its session is put aside with its process", 3)


def test_its_list_of_a_known_server_starts_nothing(pool, project, claude):
    a = project("a")
    pool.start()
    program = claude()
    program.run(a, "mcp", "list")
    wait_until(lambda: pool.daemon(a)["sessions"] == 0, "its session is over", 3)
    pool.ctl("stop", "--now", a)
    wait_until(lambda: pool.daemon(a)["state"] == "down", "down")
    starts = pool.daemon(a)["starts"]
    assert "✔ Connected" in program.run(a, "mcp", "list")
    assert pool.daemon(a)["starts"] == starts and pool.daemon(a)["state"] == "down"


def test_the_first_turn_has_all_tools_while_serena_is_down_every_time(pool, project, claude):
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    a = project("a")
    url = pool.ctl("ensure", a).stdout.strip()
    program, offered = claude(), []
    program.run(a, "mcp", "list")  # the program was here before
    tools = {f"mcp__poold__{tool['name']}" for tool in Client(url).open().request("tools/list")["tools"]}
    assert len(tools) > 10
    program.model.server.seen = lambda request: offered.append({t["name"] for t in request.get("tools", [])})
    for _ in range(FIRST_TURNS):
        if pool.daemon(a)["state"] != "down":
            pool.ctl("stop", "--now", a)
            wait_until(lambda: pool.daemon(a)["state"] == "down", "down")
        offered.clear()
        assert program.said(program.prompt(a)) == "nothing to do"
        assert tools <= next(names for names in offered if names)


def test_one_session_goes_on_after_each_death(pool, project, claude):
    a = project("a")
    pool.start()
    pids = []

    def kill_something(n):
        if n == 1:
            pids.append(pool.daemon(a)["pid"])
            os.kill(pids[0], signal.SIGKILL)
            wait_until(lambda: not alive(pids[0]), "the daemon is dead")
        if n == 2:
            pool.kill()
        if n == 3:
            pool.ctl("evict", a)
    program = claude(between=kill_something)
    answers = [json.loads(line) for line in program.said(program.prompt(a, *[("whoami", {})] * 4)).splitlines()]
    assert [w["project"] for w in answers] == [str(a)] * 4
    first, second, third, fourth = [w["pid"] for w in answers]
    assert first == pids[0] and second != first and third == second and fourth != third


def test_a_slow_start_is_waited_for(pool, project, claude):
    a = project("a")
    pool.configure({"fake": fake_server("--start-delay", "1")})
    pool.start()
    program = claude()
    assert program.said(program.prompt(a, ("echo", {"text": "at last"}))) == "at last"
    assert pool.daemon(a)["starts"] == 1


def test_find_symbol_of_real_serena_answers_from_its_own_project(pool, claude):
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    projects = [make_project(pool, name) for name in ("a", "b")]
    for path in projects:
        (path / "m.py").write_text(f"def shared():\n    return 'body of {path.name}'\n")
    pool.start()
    program = claude()
    call = ("find_symbol", {"name_path_pattern": "shared", "include_body": True})
    running = [(program.prompt(path, call, call), path) for path in projects]
    for process, path in running:
        found = [json.loads(line) for line in program.said(process).splitlines()]
        assert [f"body of {path.name}" in f[0]["body"] for f in found] == [True, True]
