"""poold's log: its form, what it never holds, and that no log grows without bound."""
import json
import os
import re
import signal
import socket
import subprocess
import threading

from conftest import BIN, fake_server, wait_until
from mcp_client import Client

SECRET = "s3cr3t-7f1d"
PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ ="]+)(?: |$)')


def logfmt(line):
    """A line as a dict; fails if it is not logfmt through and through."""
    pairs, at = {}, 0
    while at < len(line):
        m = PAIR.match(line, at)
        assert m, f"not logfmt from column {at}: {line}"
        value = m[2]
        pairs[m[1]] = json.loads(value) if value.startswith('"') else value
        at = m.end()
    return pairs


def poold_lines(pool):
    return (pool.state / "logs" / "poold.log").read_text().splitlines()


def live_a_life(pool, repo):
    """A start, a session, a call, a stop; the rows of state changes come from it."""
    client = Client(f"{pool.url}/mcp", headers={"X-Poold-Project": str(repo)}).open()
    client.call("echo", text="hello")
    pool.ctl("stop", repo)


def test_each_change_of_state_is_one_line_with_why_and_how_long(pool, project):
    repo = project()
    pool.start()
    live_a_life(pool, repo)
    lines = [logfmt(line) for line in poold_lines(pool)]
    for line in lines:
        assert list(line)[:4] == ["time", "level", "mod", "msg"], line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("error", "warn", "info")
    changes = [line for line in lines if line["msg"] == "daemon state"]
    assert [(c["was"], c["state"]) for c in changes] == [
        ("down", "starting"), ("starting", "ready"), ("ready", "stopping"), ("stopping", "down")] or \
        [(c["was"], c["state"]) for c in changes] == [
        ("down", "starting"), ("starting", "busy"), ("ready", "stopping"), ("stopping", "down")]
    for c in changes:
        assert c["project"].startswith("repo-") and c["server"] == "fake" and c["reason"] and int(c["was_ms"]) >= 0
    assert changes[-1]["reason"] == "asked"


def test_json_has_the_same_fields(pool, project):
    repo = project()
    pool.configure(logFormat="json")
    pool.start()
    live_a_life(pool, repo)
    lines = [json.loads(line) for line in poold_lines(pool)]
    change = [line for line in lines if line["msg"] == "daemon state"][-1]
    assert list(change)[:11] == ["time", "level", "mod", "msg", "project", "server", "daemon", "state", "was", "was_ms",
                                 "reason"]
    assert isinstance(change["was_ms"], int) and change["state"] == "down"
    # The holder's own line too.
    os.kill(pool.pid(), signal.SIGKILL)
    wait_until(lambda: any("unexpectedly" in line for line in poold_lines(pool)), "the holder's line")
    held = [json.loads(line) for line in poold_lines(pool) if "unexpectedly" in line][0]
    assert held["mod"] == "holder" and held["signal"] == 9


def test_the_command_line_wins_over_the_setting_and_a_reload_changes_both(pool, project):
    pool.configure(logLevel="warn", logFormat="logfmt")
    pool.start()
    assert not [line for line in poold_lines(pool) if "level=info" in line]
    pool.configure(logLevel="debug", logFormat="json")
    pool.ctl("reload")
    assert "configuration read again" in [json.loads(line)["msg"] for line in poold_lines(pool)]
    pool.ctl("ensure", project())
    assert [line for line in poold_lines(pool) if json.loads(line)["level"] == "debug"]
    pool.ctl("shutdown")
    done = subprocess.Popen([BIN / "poold", "--log-format", "logfmt"], env=pool.env, stderr=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL)
    try:
        assert "msg=" in logfmt_first(done) and wait_until(pool.serves, "poold serves")
    finally:
        done.terminate()
        done.communicate(timeout=20)


def logfmt_first(process):
    line = process.stderr.readline()
    logfmt(line.rstrip("\n"))
    return line


def test_no_header_body_argument_or_environment_gets_into_the_log(pool, project):
    repo = project()
    pool.env["PASSWORD_OF_POOLD"] = SECRET
    env = {"API_TOKEN": SECRET, "URL": f"https://u:{SECRET}@h/"}
    pool.configure({"fake": fake_server("--warm-text", SECRET, env=env),
                    "broken": fake_server("--exit-code", "3", "--warm-text", SECRET, env=env),
                    "deaf": fake_server("--handshake-error", "no", "--warm-text", SECRET, env=env),
                    "absent": {"command": "/no/such/program", "args": [SECRET], "env": env, "type": "http",
                               "cwd": "${POOLD_PROJECT}", "warmup": {"tool": "${POOLD_PORT}"}}},
                   logLevel="debug", startTimeoutSeconds=3)
    pool.config["mcpServers"]["absent"]["args"].append("${POOLD_PORT}")
    pool.config_file.write_text(json.dumps(pool.config))
    pool.start()
    headers = {"X-Poold-Project": str(repo), "Authorization": f"Bearer {SECRET}", "Cookie": f"c={SECRET}"}
    client = Client(f"{pool.url}/mcp?token={SECRET}", headers=headers).open()
    assert client.call("echo", text=SECRET) == SECRET
    assert SECRET in client.call("env")
    for bad in ({"jsonrpc": "2.0", "id": SECRET, "method": SECRET}, {"nonsense": SECRET}, SECRET):
        client.post(bad)
    # Heads and bodies that are refused.
    for raw in (f"POST /mcp HTTP/1.1\r\nHost: {SECRET}\r\nContent-Length: 0\r\n\r\n",
                f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A : {SECRET}\r\n\r\n",
                f"GET /api/v1/daemons?{SECRET}=1 HTTP/1.1\r\nHost: 127.0.0.1:{pool.port}\r\n\r\n",
                f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{pool.port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(SECRET)}\r\n\r\n{SECRET}"):
        with socket.create_connection(("127.0.0.1", pool.port)) as s:
            s.sendall(raw.encode())
            s.recv(65536)
    for server in ("broken", "deaf", "absent"):
        assert pool.ctl("ensure", "-s", server, repo, check=False).returncode == 4
    client.post({"jsonrpc": "2.0", "id": 9, "method": "tools/call",
                 "params": {"name": "crash", "arguments": {"text": SECRET}}})
    pool.ctl("stop", "--all")
    pool.ctl("reload")
    for log in (pool.state / "logs").iterdir():
        for line in log.read_text(errors="replace").splitlines():
            if log.name == "poold.log" or line.startswith("[poold-keeper "):
                assert SECRET not in line, f"{log.name}: {line}"
    assert len([line for line in poold_lines(pool) if "level=debug" in line]) > 10


def test_the_journal_gets_levels_and_a_pipe_does_not(pool):
    for is_journal in (True, False):
        ours, theirs = socket.socketpair()
        st = os.fstat(theirs.fileno())
        env = {**pool.env, "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}" if is_journal else "1:1"}
        process = subprocess.Popen([BIN / "poold"], env=env, stdin=subprocess.DEVNULL, stderr=theirs)
        theirs.close()
        said = []
        reader = threading.Thread(target=lambda: said.extend(ours.makefile()), daemon=True)
        reader.start()
        wait_until(pool.serves, "poold serves")
        os.kill(pool.pid(), signal.SIGKILL)
        wait_until(lambda: len([s for s in said if "poold serves" in s]) == 2, "poold is back")
        process.terminate()
        process.wait(20)
        reader.join(20)
        wanted = re.compile(r"<6>time=.*level=info|<4>time=.*level=warn" if is_journal else r"time=")
        assert said and all(wanted.match(line) for line in said), said
        assert any("mod=holder" in line for line in said)


def test_the_log_of_a_poold_that_poolctl_started_is_bounded(pool, project):
    logs = pool.state / "logs"
    logs.mkdir(parents=True)
    pool.state.chmod(0o700)
    (logs / "poold.log").write_text("old\n" * 300000)
    pool.configure(logMaxMiB=1, logLevel="debug")
    pool.ctl("ensure", project())
    assert (logs / "poold.log.1").stat().st_size > 1 << 20 and (logs / "poold.log").stat().st_size < 1 << 20
    assert (logs / "poold.log.1").read_text().startswith("old\n")
    assert "poold serves" in pool.log_tail()
    # What others (the holder) wrote to it counts as well.
    with open(logs / "poold.log", "a") as log:
        log.write("filled up\n" * 110000)
    pool.ctl("reload")
    assert (logs / "poold.log").stat().st_size < 1 << 19
    assert "filled up" in (logs / "poold.log.1").read_text()


def test_all_logs_together_are_bounded_and_a_written_one_stays(pool, project):
    repo, other = project("repo"), project("other")
    logs = pool.state / "logs"
    pool.configure({"fake": fake_server("--print-megabytes", "1")}, logsTotalMiB=3)
    pool.ctl("ensure", repo)
    pool.ctl("ensure", other)
    key = pool.daemon(repo)["projectKey"]
    for n, name in enumerate(("oldest", "older")):
        (logs / f"{name}.fake.log").write_bytes(b"x" * (1 << 20))
        os.utime(logs / f"{name}.fake.log", (1000 + n, 1000 + n))
    (logs / "mine.txt").write_bytes(b"x" * (5 << 20))
    pool.ctl("stop", other)
    wait_until(lambda: not (logs / "oldest.fake.log").exists(), "the oldest log is removed")
    assert (logs / f"{key}.fake.log").exists() and (logs / "mine.txt").exists()
    assert sum(f.stat().st_size for f in logs.glob("*.log*")) <= 3 << 20
    assert "old logs are removed" in pool.log_tail()
