"""poolctl tools and call: a server's tools for programs, out of poold's memory; and the agents in examples/."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.scripted_model import Model
from conformance_suite import INSTALLED as NEW_NODE
from conftest import BIN, fake_server, serena_dir, wait_until
from mcp_client import Client

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def known(pool, project):
    """A project whose server told its tools once; its daemon is down."""
    path = project("a")
    Client(pool.ctl("ensure", path).stdout.strip()).open().request("tools/list")
    pool.ctl("stop", "--now", path)
    wait_until(lambda: pool.daemon(path)["state"] == "down", "down")
    return path


def test_the_definitions_come_from_memory_and_start_nothing(pool, known):
    starts = pool.daemon(known)["starts"]
    mcp = json.loads(pool.ctl("tools", "--format", "mcp", known).stdout)
    assert {"echo", "whoami"} <= {t["name"] for t in mcp}
    assert mcp == pool.json("tools", known)
    anthropic = json.loads(pool.ctl("tools", "--format", "anthropic", known).stdout)
    assert [t["name"] for t in anthropic] == [t["name"] for t in mcp]
    assert all(t["input_schema"]["type"] == "object" for t in anthropic)
    openai = json.loads(pool.ctl("tools", "--format", "openai", known).stdout)
    assert [t["function"]["name"] for t in openai] == [t["name"] for t in mcp]
    assert "echo" in pool.ctl("tools", known).stdout
    assert pool.daemon(known)["starts"] == starts and pool.daemon(known)["state"] == "down"


def test_the_definitions_are_there_while_poold_is_down(pool, known):
    before = pool.json("tools", known)
    pool.ctl("shutdown")
    wait_until(lambda: not pool.ours(), "poold is gone")
    assert pool.json("tools", known) == before
    assert pool.json("tools", known / "sub") == before
    assert not pool.ours(), "nothing was started"


def test_a_server_that_never_told_its_tools_is_said_to_be_unknown_and_can_be_asked(pool, project):
    path = project("a")
    pool.start()
    done = pool.ctl("tools", path, check=False)
    assert done.returncode == 14 and "not known yet" in done.stderr
    assert "poolctl tools --start" in done.stderr
    assert not pool.daemon(path) or pool.daemon(path)["state"] == "down"
    assert "echo" in pool.ctl("tools", "--start", path).stdout
    pool.ctl("stop", "--now", path)
    assert "echo" in pool.ctl("tools", path).stdout, "it is remembered from now on"


def test_a_format_that_is_none_is_refused(pool, known):
    done = pool.ctl("tools", "--format", "xml", known, check=False)
    assert done.returncode == 2 and "mcp, anthropic or openai" in done.stderr


def test_a_call_starts_what_it_needs_and_prints_the_text(pool, project):
    path = project("a")
    assert pool.ctl("call", "echo", "text=hello there", cwd=path).stdout == "hello there\n"
    assert pool.ctl("call", "-C", path / "sub", "echo", '{"text": "h\u00e9\u2028"}').stdout == "h\u00e9\u2028\n"
    assert pool.ctl("call", "-C", path, "echo", "-", input='{"text": "by stdin"}').stdout == "by stdin\n"
    assert json.loads(pool.ctl("call", "-C", path, "whoami").stdout)["project"] == str(path)
    assert pool.daemon(path)["starts"] == 1
    wait_until(lambda: pool.daemon(path)["sessions"] == 0, "each call's session is over", 3)


def test_with_json_the_whole_result_is_printed(pool, project):
    result = pool.json("call", "-C", project("a"), "echo", "text=x")
    assert result["content"] == [{"type": "text", "text": "x"}]


def test_a_tool_that_fails_ends_with_a_status_of_its_own_and_a_missing_one_with_its_error(pool, project):
    path = project("a")
    pool.configure({"fake": fake_server("--warm-text", "Error: nothing works")})
    failed = pool.ctl("call", "-C", path, "warm", check=False)
    assert failed.returncode == 25 and "Error" in failed.stderr and not failed.stdout
    missing = pool.ctl("call", "-C", path, "nothing_of_this_name", check=False)
    assert missing.returncode == 6 and "nothing_of_this_name" in missing.stderr
    bad = pool.ctl("call", "-C", path, "echo", "text", check=False)
    assert bad.returncode == 2 and "'text' is neither a JSON object nor key=value" in bad.stderr


def test_a_server_that_cannot_start_is_said_with_its_last_words(pool, project):
    path = project("a")
    pool.configure({"fake": fake_server("--exit-code", "3")})
    done = pool.ctl("call", "-C", path, "echo", "text=x", check=False)
    assert done.returncode == 4 and "could not be started" in done.stderr


def run_example(pool, path, command, extra):
    """An example in this project with a model that calls two tools; what it printed."""
    model = Model()
    env = {**pool.env, "PATH": f"{BIN}:{pool.env['PATH']}", "ANTHROPIC_BASE_URL": model.url,
           "ANTHROPIC_API_KEY": "sk-ant-none", **extra}
    prompt = 'CALL echo {"text": "from the agent"}\nCALL whoami {}'
    try:
        done = subprocess.run([*command, prompt], cwd=path, env=env, text=True, capture_output=True, timeout=120)
    finally:
        model.close()
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_python_agent_works_with_remembered_tools(pool, known):
    pytest.importorskip("anthropic", reason="./runtests installs it")
    said = [line for line in run_example(pool, known, [sys.executable, EXAMPLES / "agent.py"], {}) if line]
    assert said[0] == "from the agent" and json.loads(said[1])["project"] == str(known)


def test_the_typescript_agent_does_the_same(pool, known, tmp_path):
    node = next(NEW_NODE.glob("node_modules/node-linux-*/bin/node"), None)
    modules = Path(os.environ.get("POOLD_TEST_NODE_MODULES", Path.home() / ".cache/poold-tests/node/node_modules"))
    if not node or not (modules / "@anthropic-ai/sdk").is_dir():
        pytest.skip("Node.js 22 or the SDK are not there: ./runtests installs them")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "agent.ts").write_text((EXAMPLES / "agent.ts").read_text())
    said = [line for line in run_example(pool, known, [node, tmp_path / "agent.ts"], {}) if line]
    assert said[0] == "from the agent" and json.loads(said[1])["project"] == str(known)


def test_serenas_tools_are_found_and_called(pool, project):
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    path = project("a")
    (path / "m.py").write_text("def shared():\n    return 1\n")
    tools = json.loads(pool.ctl("tools", "--start", "--format", "anthropic", path).stdout)
    assert {"find_symbol", "get_symbols_overview"} <= {t["name"] for t in tools}
    found = pool.ctl("call", "-C", path, "find_symbol", "name_path_pattern=shared", "include_body=true", timeout=120)
    assert "return 1" in found.stdout
