#!/usr/bin/env python3
"""What a forwarded call costs, as ratios to a bare byte forwarder in the same run.

    bench/front.py BUILD_DIR [ROUNDS]     (a release build; first: cmake --build BUILD_DIR --target benches)

Stub daemon, forwarder, poold and load run on this machine at once; CPU is the proxy's own (user + system),
from /proc. Rounds alternate; medians of the per-round ratios are printed. Only the ratios mean something.
"""
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from mcp_client import Client, Stream  # noqa: E402

build = Path(sys.argv[1]).resolve()
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def pss(pid):
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])


def load(port, path, connections, calls, sessions, proxy):
    before = cpu(proxy)
    out = subprocess.run([build / "bench" / "load", str(port), path, str(connections), str(calls), *sessions],
                         capture_output=True, text=True, check=True).stdout.split()
    return {"rate": float(out[0]), "p50": float(out[1]), "cpu": (cpu(proxy) - before) / calls * 1e6}


def main():
    root = Path(tempfile.mkdtemp(prefix="poold-bench-"))
    home = root / "home"
    env = {**os.environ, "HOME": str(home), "POOLD_STATE_DIR": str(root / "state"), "POOLD_RUN_DIR": str(root / "run"),
           "POOLD_CONFIG": str(root / "poold.conf"), "POOLD_LISTEN": "127.0.0.1:0"}
    servers = {}
    for form in ("json", "sse"):
        servers[form] = {"command": str(build / "bench" / "stub"), "args": ["${POOLD_PORT}", form], "type": "http"}
        (home / "repo" / ".git").mkdir(parents=True, exist_ok=True)
    (root / "poold.conf").write_text(json.dumps({"defaultServer": "json", "portRange": "21950-21999",
                                                 "logLevel": "error", "mcpServers": servers}))
    ctl = build / "poolctl"
    children = []
    try:
        for n, form in enumerate(servers):
            direct = json.loads(subprocess.run([ctl, "ensure", "--server", form, "--json", str(home / "repo")],
                                               env=env, check=True, capture_output=True, text=True).stdout)
            poold = int((root / "run" / "poold.pid").read_text())
            url, port = direct["url"], int((root / "run" / "port").read_text())
            idle = pss(poold)
            forward_port = 21940 + n
            forward = subprocess.Popen([build / "bench" / "forward", str(forward_port), str(direct["port"])])
            children.append(forward)
            time.sleep(0.3)
            clients = [Client(url).open() for _ in range(64)]
            ids = [c.session for c in clients]
            path = url.split(str(port), 1)[1]
            for connections in (1, 16, 64):
                calls = 20000 if connections > 1 else 8000
                ratios = {"rate": [], "p50": [], "cpu": []}
                for _ in range(rounds):
                    base = load(forward_port, "/mcp", connections, calls, ["-"], forward.pid)
                    ours = load(port, "/mcp", connections, calls, ids, poold)
                    for key, values in ratios.items():
                        values.append(ours[key] / base[key])
                print(f"{form:4} {connections:2} connections: CPU per call x{statistics.median(ratios['cpu']):.2f}"
                      f"   throughput x{statistics.median(ratios['rate']):.2f}   p50 x{statistics.median(ratios['p50']):.2f}"
                      f"   (last: {ours['cpu']:.1f} us CPU, {ours['rate']:.0f}/s; forwarder {base['cpu']:.1f} us, {base['rate']:.0f}/s)")
            print(f"poold PSS: {idle} KiB before, {pss(poold)} KiB with 64 sessions")
            if form == "json":
                before = pss(poold)
                streams = [Stream(url, {"Mcp-Session-Id": c.session}) for c in clients]
                time.sleep(0.5)
                print(f"64 idle streams: {(pss(poold) - before) / 64:.2f} KiB each")
                for s in streams:
                    s.close()
    finally:
        for child in children:
            child.send_signal(signal.SIGKILL)
        subprocess.run([ctl, "shutdown"], env=env, capture_output=True)


main()
