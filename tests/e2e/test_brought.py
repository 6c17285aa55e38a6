"""Servers that a project brings itself: offered after a yes to just these, and started as its client would."""
import json
import sys

import pytest

from conftest import HERE, alive, wait_until

DENIED, NO_SERVER = 12, 13
FAKE = HERE / "fake_stdio.py"


def entry(pool, *options, **more):
    return {"command": sys.executable, "args": [str(FAKE), "--journal", str(pool.home / "journal"), *options], **more}


def bring(repo, servers, file=".mcp.json"):
    (repo / file).parent.mkdir(exist_ok=True)
    (repo / file).write_text(json.dumps({"servers" if ".vscode" in file else "mcpServers": servers}))


def started(pool):
    """cwd and environment of the last start, None if there was none."""
    try:
        lines = (pool.home / "journal").read_text().splitlines()
    except OSError:
        return None
    return json.loads([line for line in lines if " START " in line][-1].split(" START ", 1)[1])


def refused(pool, repo, name="mine"):
    done = pool.ctl("ensure", repo, "--server", name, check=False)
    assert done.returncode == DENIED, done.stderr
    return done.stderr


def up(pool, repo, name="mine"):
    pool.ctl("ensure", repo, "--server", name)
    d = pool.daemon(repo, name)
    assert d["state"] == "ready" and d["transport"] == "stdio" and d["trusted"]
    return d


def test_one_is_offered_only_after_a_yes_that_shows_its_command(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool)})
    pool.start()
    assert "is not trusted for it" in refused(pool, repo) and started(pool) is None
    shown = pool.ctl("trust", repo, check=False, input="").stderr
    assert str(FAKE) in shown and "mine" in shown
    assert started(pool) is None and refused(pool, repo)
    pool.ctl("trust", "--yes", repo)
    assert started(pool) is None, "a yes starts nothing"
    up(pool, repo)


def test_it_is_started_in_the_project_with_what_its_client_would_give(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool, env={"A": "${CLAUDE_PROJECT_DIR:-.}/x"})})
    pool.start()
    pool.ctl("trust", "--yes", repo)
    up(pool, repo)
    it = started(pool)
    assert it["cwd"] == it["env"]["CLAUDE_PROJECT_DIR"] == str(repo) and it["env"]["A"] == f"{repo}/x"


@pytest.mark.parametrize("file", [".cursor/mcp.json", ".vscode/mcp.json"])
def test_the_files_of_other_clients_are_read_too(pool, project, file):
    repo = project()
    bring(repo, {"mine": entry(pool, "--deaf", env={"A": "${workspaceFolder}/x"})}, file)
    pool.start()
    pool.ctl("trust", "--yes", repo)
    up(pool, repo)
    assert started(pool)["env"]["A"] == f"{repo}/x"


def test_codex_brings_its_own_in_toml(pool, project):
    repo = project()
    (repo / ".codex").mkdir()
    (repo / ".codex" / "config.toml").write_text(
        f'[mcp_servers.mine]\ncommand = "{sys.executable}"\nargs = ["{FAKE}", "--journal", "{pool.home}/journal"]\n')
    pool.start()
    pool.ctl("trust", "--yes", repo)
    up(pool, repo)


def test_an_edit_ends_it_and_needs_a_new_yes(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool)})
    pool.configure({"other": entry(pool)}, healthSeconds=1)
    pool.start()
    pool.ctl("trust", "--yes", repo)
    d = up(pool, repo)
    bring(repo, {"mine": entry(pool, env={"EVIL": "1"})})
    wait_until(lambda: not alive(d["pid"]), "it is ended")
    assert "changed since it was trusted" in refused(pool, repo)
    assert pool.daemon(repo, "mine")["state"] == "down"
    pool.ctl("trust", "--yes", repo)
    assert up(pool, repo)["pid"] != d["pid"] and started(pool)["env"]["EVIL"] == "1"


def test_an_edit_of_anything_else_changes_nothing(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool)})
    pool.configure({"other": entry(pool)}, healthSeconds=1)
    pool.start()
    pool.ctl("trust", "--yes", repo)
    d = up(pool, repo)
    text = json.loads((repo / ".mcp.json").read_text())
    (repo / ".mcp.json").write_text(json.dumps({"comment": "hello", **text}, indent=4))
    pings = lambda: (pool.home / "journal").read_text().count('"ping"')
    before = pings()
    wait_until(lambda: pings() >= before + 3, "it is looked at three times")
    assert up(pool, repo)["pid"] == d["pid"]


def test_refusing_wins(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool)})
    pool.configure({"other": entry(pool)}, healthSeconds=1)
    pool.start()
    pool.ctl("trust", "--yes", repo)
    d = up(pool, repo)
    (repo / ".claude").mkdir()
    (repo / ".claude" / "settings.local.json").write_text(json.dumps({"disabledMcpjsonServers": ["mine"]}))
    wait_until(lambda: not alive(d["pid"]), "it is ended")
    pool.ctl("trust", "--yes", repo)
    assert pool.ctl("ensure", repo, "--server", "mine", check=False).returncode == NO_SERVER


def test_trust_that_is_taken_back_ends_it(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool)})
    pool.start()
    pool.ctl("trust", "--yes", repo)
    d = up(pool, repo)
    pool.ctl("untrust", repo)
    wait_until(lambda: not alive(d["pid"]), "it is ended")
    refused(pool, repo)


def test_the_users_own_server_of_that_name_is_meant(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool, env={"WHOSE": "theirs"})})
    pool.configure({"mine": entry(pool, env={"WHOSE": "ours"})})
    pool.start()
    pool.ctl("ensure", repo, "--server", "mine")
    assert started(pool)["env"]["WHOSE"] == "ours"


def test_trust_and_its_server_outlive_poold(pool, project):
    repo = project()
    bring(repo, {"mine": entry(pool)})
    pool.start()
    pool.ctl("trust", "--yes", repo)
    d = up(pool, repo)
    pool.kill()
    wait_until(lambda: pool.daemon(repo, "mine")["state"] == "ready", "it is taken over")
    assert up(pool, repo)["pid"] == d["pid"]
