#!/usr/bin/env python3
"""How long a client waits for connect + handshake + tools/list: direct, through the front, and while the daemon is down.

    bench/known.py BUILD_DIR [ROUNDS]     (a release build; Serena as ./quickstart installs it)

Servers: Serena and a small one on the Python SDK 2 (tests/e2e/clients/sdk_server.py); both speak both eras. Legacy is
connect + initialize + initialized + tools/list, modern is connect + server/discover + tools/list. Prints medians of ROUNDS (50) as a Markdown table; direct and front take turns. Each client is a process of its own, as real ones
are, and ends before poold takes it for one that stays, so that a daemon that is down stays down.
"""
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlparse

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "e2e"))
from mcp_client import Client, ModernClient  # noqa: E402


def legacy(url):
    client = Client(url).open()
    client.request("tools/list")
    client.close()


def modern(url):
    client = ModernClient(url)
    client.request("server/discover")
    client.request("tools/list")
    client.close()


ERAS = {"legacy": legacy, "modern": modern}


def times(era, urls):
    """ms for each URL, of a client process that is new to them."""
    warm_up = http.client.HTTPConnection(urlparse(urls[0]).netloc)
    warm_up.request("GET", "/nothing")
    warm_up.getresponse().read()
    found = []
    for url in urls:
        start = time.monotonic()
        ERAS[era](url)
        found.append((time.monotonic() - start) * 1000)
    return found


def medians(era, urls, rounds):
    """Of each URL; a new process for each round, as each client is one."""
    found = []
    for n in range(rounds):
        turn = urls[::-1] if n % 2 else urls
        done = subprocess.run([sys.executable, __file__, "times", era, *turn], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        found.append(json.loads(done.stdout)[::-1] if n % 2 else json.loads(done.stdout))
    return [statistics.median(row) for row in zip(*found)]


def measure(ctl, env, server, project, rounds):
    def run(*words):
        return subprocess.run([ctl, *words, "--server", server, str(project)], env=env, check=True, capture_output=True,
                              text=True).stdout

    def down():
        run("stop", "--now")
        while slot()["state"] != "down":
            time.sleep(0.02)

    def slot():
        rows = json.loads(subprocess.run([ctl, "list", "--json"], env=env, check=True, capture_output=True).stdout)
        return next(row for row in rows if row["server"] == server)
    for era in ERAS:
        daemon = json.loads(run("ensure", "--json"))
        medians(era, [daemon["url"]], 3)
        time.sleep(2)  # the lists of this kind of client are being learned
        front, direct = medians(era, [daemon["url"], daemon["directUrl"]], rounds)
        down()
        starts = slot()["starts"]
        known, = medians(era, [daemon["url"]], rounds)
        assert slot()["state"] == "down" and slot()["starts"] == starts
        print(f"| {server}, {era} | {direct:.1f} ms | {front:.1f} ms | {front / direct:.2f} | {known:.1f} ms "
              f"| {known / direct:.2f} |", flush=True)


def main():
    build = Path(sys.argv[1]).resolve()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    root = Path(tempfile.mkdtemp(prefix="poold-bench-"))
    project = root / "home" / "repo"
    shutil.copytree(HERE.parent / "tests", project, ignore=shutil.ignore_patterns("__pycache__"))
    (project / ".git").mkdir()
    venv = Path(os.environ.get("POOLD_TEST_PYTHON", Path.home() / ".cache/poold-tests/venv/bin/python"))
    servers = {"small": {"command": str(venv), "type": "http",
                         "args": [str(HERE.parent / "tests/e2e/clients/sdk_server.py"), "${POOLD_PORT}", "${POOLD_PROJECT}"]}}
    (root / "poold.conf").write_text(json.dumps({"portRange": "21900-21949", "mcpServers": servers}))
    env = {**os.environ, "POOLD_STATE_DIR": str(root / "state"), "POOLD_RUN_DIR": str(root / "run"),
           "POOLD_CONFIG": str(root / "poold.conf"), "POOLD_LISTEN": "127.0.0.1:0"}
    ctl = build / "poolctl"
    try:
        print("| server, era | direct | front, warm | ratio | front, daemon down and known | ratio |\n|---|---|---|---|---|---|")
        for server in ("small", "serena"):
            measure(ctl, env, server, project, rounds)
    finally:
        subprocess.run([ctl, "shutdown"], env=env, capture_output=True)
        shutil.rmtree(root, ignore_errors=True)


if sys.argv[1] == "times":
    print(json.dumps(times(sys.argv[2], sys.argv[3:])))
else:
    main()
