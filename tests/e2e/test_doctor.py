"""`poolctl doctor` on broken setups: it names what is wrong, and its remedy, followed, mends it."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BIN, FAKE, alive, fake_server, wait_until

UNHEALTHY = 24


@pytest.fixture(autouse=True)
def quiet(pool):
    """A user with a shell that answers at once, and no service manager."""
    pool.env.update(SHELL="/bin/sh", XDG_RUNTIME_DIR=str(pool.root / "nowhere"))
    pool.env.pop("DBUS_SESSION_BUS_ADDRESS", None)


def doctor(pool, *words, cwd=None):
    """{check: [finding]} and the exit status, which agrees with the findings."""
    done = pool.ctl("doctor", "--json", *words, check=False, cwd=cwd or pool.home)
    report = json.loads(done.stdout)
    found = {}
    for c in report["checks"]:
        assert c["state"] in ("ok", "warning", "problem", "not-applicable") and c["text"], c
        found.setdefault(c["check"], []).append(c)
    problems = [c for c in report["checks"] if c["state"] == "problem"]
    assert report["problems"] == len(problems)
    assert done.returncode == (UNHEALTHY if problems else 0), done.stderr
    assert all(c["remedy"] for c in problems), "each problem has a remedy"
    return found


def states(found, check):
    return [c["state"] for c in found[check]]


def the(found, check, state="problem"):
    [one] = [c for c in found[check] if c["state"] == state]
    return one


def follow(pool, finding, cwd=None, **env):
    """Run the remedy as a user would copy it (its comment left out)."""
    command = finding["remedy"].split("   (")[0]
    return subprocess.run(["bash", "-c", command], cwd=cwd or pool.home, text=True, capture_output=True,
                          env={**pool.env, "PATH": f"{BIN}:{pool.env['PATH']}", **env}, timeout=60)


def healthy(pool, project):
    repo = project()
    pool.ctl("ensure", repo)
    return repo


def test_a_healthy_pool_has_no_problem_and_doctor_changes_nothing(pool, project):
    repo = healthy(pool, project)
    before = pool.daemon(repo), pool.pid()
    found = doctor(pool, cwd=repo)
    for check in ("poold", "port", "config", "registry", "servers", "project", "daemons", "ports", "orphans"):
        assert states(found, check) == ["ok"], found[check]
    assert (pool.daemon(repo)["daemonId"], pool.pid()) == (before[0]["daemonId"], before[1])
    text = pool.ctl("doctor", cwd=repo).stdout
    assert "ok       poold " in text and "problem" not in text


def test_1_poold_does_not_run(pool, project):
    repo = project()
    found = doctor(pool, cwd=repo)
    assert "not running" in the(found, "poold")["text"]
    assert not pool.pid(), "doctor starts nothing"
    assert follow(pool, the(found, "poold"), cwd=repo).returncode == 0
    assert states(doctor(pool, cwd=repo), "poold") == ["ok"]


def test_2_another_program_has_the_port(pool, project):
    repo = project()
    thief = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(pool.port)],
                             stderr=subprocess.DEVNULL, cwd=pool.root)
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", pool.port)) == 0, "the thief listens")
    assert pool.ctl("ensure", repo, check=False).returncode == 11
    port = the(doctor(pool, cwd=repo), "port")
    assert f"pid {thief.pid}" in port["text"] and "python" in port["text"]
    follow(pool, port)
    thief.wait(10)
    found = doctor(pool, cwd=repo)
    assert states(found, "port") == ["ok"]
    follow(pool, the(found, "poold"), cwd=repo)
    assert doctor(pool, cwd=repo)


def test_3_a_mistake_in_the_configuration_and_one_that_is_not_read_yet(pool, project):
    repo = healthy(pool, project)
    good = pool.config_file.read_text()
    pool.config_file.write_text(good.replace('"portRange"', '"portRang"'))
    found = doctor(pool, cwd=repo)
    problem = the(found, "config")
    assert "portRang" in problem["text"] and f"{pool.config_file}:2" in problem["text"]
    editor = pool.root / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/portRang/portRange/ "$1"\n')
    editor.chmod(0o755)
    done = follow(pool, problem, EDITOR=str(editor))
    assert done.returncode == 0 and "no mistake" in done.stdout
    os.utime(pool.config_file, (2 ** 31, 2 ** 31))  # changed after poold had read it, whatever the clock
    stale = the(doctor(pool, cwd=repo), "config", "warning")
    assert stale["remedy"] == "poolctl reload"


def test_4_a_server_command_that_is_missing(pool, project):
    pool.configure({"fake": fake_server(), "lost": {"command": "no-such-program"},
                    "gone": {"command": str(pool.root / "gone")},
                    "unset": fake_server(env={"KEY": "${NO_SUCH_VARIABLE}"})})
    repo = healthy(pool, project)
    texts = [c["text"] for c in doctor(pool, cwd=repo)["servers"] if c["state"] == "problem"]
    assert len(texts) == 3
    assert any("no-such-program is not in the PATH of daemons" in t for t in texts)
    assert any("gone" in t and "not there" in t for t in texts) and any("NO_SUCH_VARIABLE" in t for t in texts)
    (pool.root / "gone").write_text("#!/bin/sh\n")
    (pool.root / "gone").chmod(0o755)
    assert len([c for c in doctor(pool, cwd=repo)["servers"] if c["state"] == "problem"]) == 2


def test_5_serena_or_a_language_server_of_its_is_missing(pool, tmp_path):
    place = tmp_path / "serena"
    pool.configure({})
    pool.env.update(POOLD_SERENA_DIR=str(place), POOLD_CLANGD="clangd")
    missing = the(doctor(pool), "servers")
    assert "not installed" in missing["text"] and missing["remedy"].startswith("./quickstart")
    (place / "bin").mkdir(parents=True)
    for name in ("serena", "poold-clangd", "poold-typescript"):
        (place / "bin" / name).write_text("#!/bin/sh\n")
        (place / "bin" / name).chmod(0o755)
    found = doctor(pool)
    assert "Python" in the(found, "servers", "warning")["text"]
    (place / "bin" / "poold-pyright").symlink_to("serena")
    assert states(doctor(pool), "servers") == ["ok"]


def test_6_clients_that_point_elsewhere(pool, project):
    repo = healthy(pool, project)
    assert states(doctor(pool, cwd=repo), "clients") == ["not-applicable"]
    claude, codex, cursor = (pool.home / p for p in (".claude.json", ".codex/config.toml", ".cursor/mcp.json"))
    codex.parent.mkdir()
    cursor.parent.mkdir()
    claude.write_text(json.dumps({"mcpServers": {"poold": {"type": "http", "url": "http://127.0.0.1:1234/mcp"}}}))
    codex.write_text('[mcp_servers.code]\nurl = "http://localhost:4321/p/repo-abc/mcp"\n'
                     '[mcp_servers.other]\nurl = "http://localhost:9/mcp"\n')
    cursor.write_text('{"mcpServers": {}}')
    before = [p.read_bytes() for p in (claude, codex, cursor)]
    found = doctor(pool, cwd=repo)["clients"]
    by_client = {c["text"].split()[0].rstrip(":"): c for c in found}
    assert len(found) == 3
    assert "1234" in by_client["Claude"]["text"]
    assert by_client["Claude"]["remedy"] == (f"claude mcp remove poold; claude mcp add --transport http --scope user "
                                             f"poold {pool.url}/mcp")
    assert "4321" in by_client["Codex"]["text"]
    assert by_client["Codex"]["remedy"].endswith(f"codex mcp add code --url {pool.url}/p/repo-abc/mcp")
    assert by_client["Cursor"]["state"] == "warning" and pool.url in by_client["Cursor"]["remedy"]
    assert [p.read_bytes() for p in (claude, codex, cursor)] == before
    claude.write_text(json.dumps({"projects": {str(repo): {"mcpServers": {"x": {"url": f"{pool.url}/mcp"}}}}}))
    codex.write_text(f'[mcp_servers.code]\nurl = "{pool.url}/mcp"\n')
    direct = pool.daemon(repo)["directUrl"]
    cursor.write_text(json.dumps({"mcpServers": {"x": {"url": direct}}}))
    found = doctor(pool, cwd=repo)["clients"]
    assert [c["state"] for c in found] == ["ok", "ok", "warning"] and "a daemon itself" in found[2]["text"]


def test_7_no_project_from_here(pool, project):
    repo = healthy(pool, project)
    bare = pool.home / "no marker"
    bare.mkdir()
    for running in (True, False):
        found = doctor(pool, bare)
        problem = the(found, "project")
        assert "marker" in problem["text"] and "no marker" in problem["remedy"]
        assert states(doctor(pool, cwd=bare), "project") == ["not-applicable"]
        assert states(doctor(pool, repo / "sub"), "project") == ["ok"]
        if running:
            pool.ctl("shutdown")
    assert follow(pool, problem).returncode == 0
    assert states(doctor(pool, bare), "project") == ["ok"]


def test_8_a_stranger_on_a_leased_port(pool, project):
    repo = healthy(pool, project)
    port = pool.daemon(repo)["port"]
    pool.ctl("stop", repo)
    stranger = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
                                stderr=subprocess.DEVNULL, cwd=pool.root)
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "the stranger listens")
    warning = the(doctor(pool, cwd=repo), "ports", "warning")
    assert str(port) in warning["text"] and f"pid {stranger.pid}" in warning["text"]
    follow(pool, warning)
    stranger.wait(10)
    assert states(doctor(pool, cwd=repo), "ports") == ["ok"]


def test_9_orphans_of_a_keeper_that_was_killed_while_poold_was_away(pool, project):
    """The daemon follows its keeper in death; a process that left its session does not."""
    leaver = [sys.executable, "-c", "import os,sys,time\n"
              "if os.fork() == 0:\n os.setsid()\n time.sleep(1000)\n"
              "os.execv(sys.argv[1], sys.argv[1:])", sys.executable, str(FAKE), "--port", "${POOLD_PORT}",
              "--project", "${POOLD_PROJECT}"]
    pool.configure({"fake": {"command": leaver[0], "args": leaver[1:], "type": "http"}})
    repo = healthy(pool, project)
    daemon = pool.daemon(repo)
    pool.ctl("shutdown", "--keep-daemons")
    assert states(doctor(pool, cwd=repo), "orphans") == ["ok"], "a daemon with its keeper is none"
    os.kill(daemon["keeperPid"], signal.SIGKILL)
    wait_until(lambda: not alive(daemon["pid"]), "the daemon follows its keeper")
    problem = the(doctor(pool, cwd=repo), "orphans")
    left = [int(p) for p in problem["remedy"].split()[1:]]
    assert left and all(alive(p) for p in left)
    follow(pool, problem)
    wait_until(lambda: not any(alive(p) for p in left), "they are gone")
    assert states(doctor(pool, cwd=repo), "orphans") == ["ok"]


def test_10_daemons_that_fail_and_a_pool_that_is_full(pool, project):
    pool.configure({"fake": fake_server(), "bad": {"command": "false", "args": ["${POOLD_PORT}"]}}, maxDaemons=1)
    repo = healthy(pool, project)
    pool.ctl("ensure", "-s", "bad", project("other"), check=False)
    pool.ctl("ensure", repo)
    pool.ctl("pin", repo)
    found = doctor(pool, cwd=repo)
    failed, full = the(found, "daemons"), the(found, "limits")
    assert "bad for ~/other could not be started" in failed["text"] and "poolctl logs" in failed["remedy"]
    assert "full" in full["text"] and full["remedy"].startswith("poolctl list")
    pool.ctl("unpin", repo)
    assert states(doctor(pool, cwd=repo), "limits") == ["warning"]


def test_11_a_registry_that_was_damaged(pool, project):
    repo = healthy(pool, project)
    pool.ctl("shutdown")
    (pool.state / "registry.db").write_bytes(b"SQLite format 3\0" + b"rubbish" * 2000)
    pool.ctl("ensure", repo)
    aside = the(doctor(pool, cwd=repo), "registry", "warning")
    assert "damaged" in aside["text"] and list(pool.state.glob("registry.db.damaged*"))
    follow(pool, aside)
    assert states(doctor(pool, cwd=repo), "registry") == ["ok"] and not list(pool.state.glob("*.damaged*"))


def test_12_a_path_that_changed_since_poold_asked_for_it(pool, project):
    repo = healthy(pool, project)
    wait_until(lambda: (pool.state / "terminal-path").exists(), "poold has asked the shell")
    assert states(doctor(pool, cwd=repo), "environment") == ["ok"]
    (pool.home / ".profile").write_text("PATH=$HOME/new/bin:$PATH; export PATH\n")
    stale = the(doctor(pool, cwd=repo), "environment", "warning")
    assert f"it lacks {pool.home}/new/bin" in stale["text"]
    follow(pool, stale)
    wait_until(lambda: states(doctor(pool, cwd=repo), "environment") == ["ok"], "it is asked again")


def test_13_poold_is_stopped_or_does_not_answer(pool, project):
    repo = healthy(pool, project)
    os.kill(pool.pid(), signal.SIGSTOP)
    problem = the(doctor(pool, cwd=repo), "poold")
    assert "stopped" in problem["text"]
    follow(pool, problem)
    assert states(doctor(pool, cwd=repo), "poold") == ["ok"]


@pytest.mark.skipif(sys.platform != "linux", reason="systemd's files")
def test_14_a_service_that_is_installed_but_not_as_it_should_be(pool, project):
    repo = project()
    pool.ctl("service", "install")
    unit = pool.home / ".config/systemd/user/poold.service"
    found = doctor(pool, cwd=repo)
    assert "cannot be asked" in found["service"][0]["text"]
    unit.write_text(unit.read_text().replace("KillMode=process\n", ""))
    outdated = [c for c in doctor(pool, cwd=repo)["service"] if "not as this poolctl" in c["text"]]
    assert outdated and outdated[0]["remedy"] == "poolctl service install"
    follow(pool, outdated[0])
    assert "KillMode=process" in unit.read_text()
    (pool.home / ".profile").write_text("PATH=$HOME/new/bin:$PATH; export PATH\n")
    lacking = [c for c in doctor(pool, cwd=repo)["environment"] if "recorded" in c["text"]]
    assert lacking and f"{pool.home}/new/bin" in lacking[0]["text"]
    pool.ctl("service", "uninstall")
