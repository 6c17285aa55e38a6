#!/usr/bin/env python3
"""What a client pays that only starts commands: `poolctl connect` beside other ways into the same pool.

    bench/connect.py BUILD_DIR [ROUNDS]     (a release build; the server behind is the tests' fake one)

Prints medians: from the start of the process to the answer to initialize and to tools/list of a server that is
known, with its daemon up and down; private memory of one poold-connect, idle and after a large answer.
"""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from lines_client import Program, Socket  # noqa: E402
from mcp_client import Client  # noqa: E402

build = Path(sys.argv[1]).resolve()
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 50
FAKE = Path(__file__).resolve().parent.parent / "tests" / "e2e" / "fake_mcp.py"


def private_kib(pid):
    """Memory that is this process's own, not shared with others."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(n) for n in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M))


class Pool:
    """Only what the clients of the tests ask of theirs."""

    def __init__(self, root):
        self.run = root / "run"


def main():
    root = Path(tempfile.mkdtemp(prefix="poold-bench-"))
    project = root / "home" / "repo"
    (project / ".git").mkdir(parents=True)
    config = root / "poold.conf"
    config.write_text(json.dumps({"defaultServer": "fake", "mcpServers": {"fake": {
        "command": sys.executable, "type": "http", "args": [str(FAKE), "--port", "${POOLD_PORT}"]}}}))
    env = {**os.environ, "POOLD_STATE_DIR": str(root / "state"), "POOLD_RUN_DIR": str(root / "run"),
           "POOLD_CONFIG": str(config), "POOLD_LISTEN": "127.0.0.1:0", "HOME": str(root / "home")}
    pool = Pool(root)
    ways = {
        "poolctl connect": lambda: Program([build / "poolctl", "connect"], project, env),
        "poold-connect itself": lambda: Program([build / "poold-connect", "--socket", pool.run / "mcp.sock"], project, env),
        "socat": lambda: Program(["socat", "STDIO", f"UNIX-CONNECT:{pool.run}/mcp.sock"], project, env),
        "mcp.sock": lambda: Socket(pool, project=str(project)),
    }

    def ctl(*words):
        return subprocess.run([build / "poolctl", *words], cwd=project, env=env, check=True, capture_output=True, text=True).stdout

    def first_answers(way):
        """ms to the answer to initialize and to the one to tools/list."""
        start = time.monotonic()
        client = way().open()
        opened = time.monotonic()
        client.request("tools/list")
        listed = time.monotonic()
        client.close()
        return (opened - start) * 1000, (listed - start) * 1000

    try:
        url = ctl("ensure").strip()
        Client(url).open().request("tools/list")
        time.sleep(0.5)  # its lists are learnt
        for state in ("up", "down"):
            if state == "down":
                ctl("stop", "--now", ".")
            print(f"from the start of the process, daemon {state:4}   initialize   + tools/list")
            for name, way in ways.items():
                samples = [first_answers(way) for _ in range(rounds)]
                a, b = (statistics.median(s[i] for s in samples) for i in (0, 1))
                print(f"  {name:41} {a:8.2f} ms {b:8.2f} ms")
                if state == "down":
                    ctl("stop", "--now", ".")  # who stays for 2 s has it started
        ctl("ensure")
        pipe = ways["poolctl connect"]().open()
        assert pipe.call("echo", text="x") == "x"
        idle = private_kib(pipe.process.pid)
        assert len(pipe.call("big", bytes=20 << 20)) == 20 << 20
        print(f"private memory of one poold-connect: {idle} KiB, after an answer of 20 MiB {private_kib(pipe.process.pid)} KiB")
        pipe.close()
    finally:
        subprocess.run([build / "poolctl", "shutdown"], env=env, capture_output=True)
        shutil.rmtree(root, ignore_errors=True)


main()
