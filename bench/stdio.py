#!/usr/bin/env python3
"""A call over HTTP to a shared stdio server, as a ratio to the same server's own HTTP.

    bench/stdio.py BUILD_DIR [ROUNDS]     (a release build; first: cmake --build BUILD_DIR --target benches;
                                           the tests' Node modules as ./runtests installs them)

The server is the reference "everything" server on the TypeScript SDK: as a stdio server behind poold ("share":
"project") and as the Streamable HTTP server it is itself. Rounds take turns; medians of the per-round ratios are
printed, with 1 and 16 clients. CPU is that of poold, its keeper and the server together, against the server's alone.
"""
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from mcp_client import Client  # noqa: E402

NODE = os.environ.get("POOLD_TEST_NODE", "node")
MODULES = Path(os.environ.get("POOLD_TEST_NODE_MODULES", Path.home() / ".cache/poold-tests/node/node_modules"))
EVERYTHING = MODULES / "@modelcontextprotocol/server-everything/dist/index.js"
TICK = os.sysconf("SC_CLK_TCK")
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "hello"}}}


def cpu(pids):
    fields = [Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split() for p in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / TICK


def load(url, clients, calls, pids):
    """One process that makes the calls: (p50 in microseconds, CPU of pids per call in microseconds)."""
    before = cpu(pids)
    done = subprocess.run([sys.executable, __file__, "load", url, str(clients), str(calls)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout), (cpu(pids) - before) / calls * 1e6


def make_calls(url, clients, calls):
    """Closed loop, one call of each client at a time, on raw sockets."""
    import selectors
    made = [Client(url).open() for _ in range(clients)]
    body = json.dumps(CALL)
    selector, times, sent = selectors.DefaultSelector(), [], {}
    for c in made:
        head = (f"POST {c.path} HTTP/1.1\r\nHost: 127.0.0.1:{c.connection.port}\r\nContent-Type: application/json\r\n"
                f"Accept: application/json, text/event-stream\r\nMcp-Session-Id: {c.session}\r\n"
                f"MCP-Protocol-Version: 2025-11-25\r\nContent-Length: {len(body)}\r\n\r\n")
        s = socket.create_connection(("127.0.0.1", c.connection.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(s, selectors.EVENT_READ, [(head + body).encode(), b""])
    for key in selector.get_map().values():
        sent[key.fd] = time.perf_counter()
        key.fileobj.sendall(key.data[0])
    while len(times) < calls:
        for key, _ in selector.select():
            key.data[1] += key.fileobj.recv(65536)
            text = key.data[1]
            end = text.find(b"\r\n\r\n")
            length = text[:end].lower().find(b"content-length: ") if end > 0 else -1
            if end < 0 or (length >= 0 and len(text) < end + 4 + int(text[length + 16:].split(b"\r\n")[0])) or \
                    (length < 0 and not text.endswith(b"0\r\n\r\n")):
                continue
            assert b"Echo: hello" in text, text
            times.append(time.perf_counter() - sent[key.fd])
            key.data[1] = b""
            sent[key.fd] = time.perf_counter()
            key.fileobj.sendall(key.data[0])
    print(statistics.median(times) * 1e6)


def main(build, rounds=5):
    root = Path(tempfile.mkdtemp(prefix="poold-bench-"))
    repo = root / "home" / "repo"
    (repo / ".git").mkdir(parents=True)
    env = {**os.environ, "HOME": str(root / "home"), "POOLD_STATE_DIR": str(root / "state"),
           "POOLD_RUN_DIR": str(root / "run"), "POOLD_CONFIG": str(root / "poold.conf"), "POOLD_LISTEN": "127.0.0.1:0"}
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    (root / "poold.conf").write_text(json.dumps({"defaultServer": "everything", "logLevel": "error", "mcpServers": {
        "everything": {"command": NODE, "args": [str(EVERYTHING), "stdio"], "type": "stdio", "share": "project"}}}))
    ctl = build / "poolctl"
    own = subprocess.Popen([NODE, EVERYTHING, "streamableHttp"], env={**os.environ, "PORT": str(port)},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        d = json.loads(subprocess.run([ctl, "ensure", "--json", str(repo)], env=env, check=True, capture_output=True,
                                      text=True).stdout)
        row = json.loads(subprocess.run([ctl, "list", "--json"], env=env, check=True, capture_output=True,
                                        text=True).stdout)[0]
        pids = [int((root / "run" / "poold.pid").read_text()), row["pid"], row["keeperPid"]]
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.05)
        for clients, calls in ((1, 2000), (16, 6000)):
            p50, cost = [], []
            for _ in range(rounds):
                base = load(f"http://127.0.0.1:{port}/mcp", clients, calls, [own.pid])
                ours = load(d["url"], clients, calls, pids)
                p50.append(ours[0] / base[0])
                cost.append(ours[1] / base[1])
            print(f"{clients:2} clients: p50 x{statistics.median(p50):.2f}   CPU x{statistics.median(cost):.2f}"
                  f"   (last: {ours[0]:.0f} us, {ours[1]:.0f} us CPU; its own HTTP {base[0]:.0f} us, {base[1]:.0f} us CPU)")
    finally:
        own.kill()
        own.wait()
        subprocess.run([ctl, "shutdown"], env=env, capture_output=True)


if sys.argv[1] == "load":
    make_calls(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    main(Path(sys.argv[1]).resolve(), *map(int, sys.argv[2:]))
