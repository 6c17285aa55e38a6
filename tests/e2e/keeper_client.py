"""A small client of the keeper's wire protocol (keeper/wire.h), for tests and for curiosity."""
import os
import socket
import struct
import subprocess
import time

HEADER = struct.Struct("=IHHQ")
(HELLO, WELCOME, SUPERSEDED, STATUS_ASK, STATUS, USAGE_ASK, USAGE, STOP, BYE,
 LINE, LINE_ACK, INPUT, INPUT_ACK) = range(1, 14)


def program(name):
    return os.path.join(os.environ["POOLD_BIN_DIR"], name)


def escape(value):
    return str(value).replace("\\", "\\\\").replace("\n", "\\n")


def unescape(value):
    out, escaped = [], False
    for c in value:
        if escaped:
            out.append("\n" if c == "n" else c)
        elif c != "\\":
            out.append(c)
        escaped = c == "\\" and not escaped
    return "".join(out)


def text(pairs):
    """Pairs (or a dict) as the payload of a frame, or as a spec."""
    pairs = pairs.items() if isinstance(pairs, dict) else pairs
    return "".join(f"{k} {escape(v)}\n" for k, v in pairs).encode()


def parse(payload):
    pairs = (line.partition(" ") for line in payload.decode(errors="replace").split("\n") if line)
    return {k: unescape(v) for k, _, v in pairs}


class Closed(Exception):
    """The keeper has closed the connection."""


class Connection:
    """One connection of a poold to a keeper."""

    def __init__(self, path, epoch=1, version=1, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.bytes = b""
        self.welcome = None
        if hello:
            self.send(HELLO, text({"version": version, "epoch": epoch}))

    def send(self, kind, payload=b"", sequence=0):
        self.socket.sendall(HEADER.pack(len(payload), kind, 0, sequence) + payload)

    def receive(self, timeout=20):
        """The next frame: (kind, sequence, payload)."""
        end = time.monotonic() + timeout
        while True:
            if len(self.bytes) >= HEADER.size:
                length, kind, _, sequence = HEADER.unpack_from(self.bytes)
                if len(self.bytes) >= HEADER.size + length:
                    payload = self.bytes[HEADER.size:HEADER.size + length]
                    self.bytes = self.bytes[HEADER.size + length:]
                    return kind, sequence, payload
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            got = self.socket.recv(1 << 20)
            if not got:
                raise Closed
            self.bytes += got

    def expect(self, kind, timeout=20):
        """The next frame of a kind, skipping others: (sequence, payload)."""
        end = time.monotonic() + timeout
        while True:
            seen, sequence, payload = self.receive(max(0.001, end - time.monotonic()))
            if seen == kind:
                return sequence, payload

    def greet(self):
        """WELCOME as a dict."""
        self.welcome = parse(self.expect(WELCOME)[1])
        return self.welcome

    def status(self):
        self.send(STATUS_ASK)
        return parse(self.expect(STATUS)[1])

    def usage(self):
        self.send(USAGE_ASK)
        return {k: int(v) for k, v in parse(self.expect(USAGE)[1]).items()}

    def stop(self, grace_ms=5000, reason="test"):
        self.send(STOP, text({"grace_ms": grace_ms, "reason": reason}))

    def wait_state(self, state, timeout=20):
        """Wait until a pushed (or the first) status has this state; the status."""
        if self.welcome and self.welcome["state"] == state:
            return self.welcome
        end = time.monotonic() + timeout
        while True:
            kind, _, payload = self.receive(max(0.001, end - time.monotonic()))
            if kind in (STATUS, WELCOME) and parse(payload)["state"] == state:
                return parse(payload)

    def line(self, timeout=20):
        """The next LINE: (sequence, text)."""
        sequence, payload = self.expect(LINE, timeout)
        return sequence, payload.decode()

    def is_closed(self, timeout=20):
        try:
            while True:
                self.receive(timeout)
        except (Closed, ConnectionResetError):
            return True

    def close(self):
        self.socket.close()


class Keeper:
    """One keeper with its spec, in a folder of its own."""

    def __init__(self, folder, argv, env=None, **changes):
        self.folder = folder
        self.id = changes.pop("id", "d-1")
        self.log = os.path.join(folder, self.id + ".log")
        self.socket = os.path.join(folder, self.id + ".sock")
        self.lock = os.path.join(folder, self.id + ".lock")
        spec = {"id": self.id, "generation": 1, "project": folder, "project_key": "k-1234567890",
                "server": "test", "definition": "abc", "transport": "http", "port": 0,
                "run_dir": folder, "log": self.log, "log_max_bytes": 1 << 20, "cwd": folder,
                "orphan_ms": 0, "grace_ms": 3000, "epoch": 1}
        spec.update(changes)
        env = {"PATH": os.environ["PATH"], **(env or {})}
        self.spec = ([(k, v) for k, v in spec.items() if v is not None]
                     + [("arg", a) for a in argv]
                     + [("env", f"{k}={v}") for k, v in env.items()])

    def start(self):
        """The finished foreground process."""
        return subprocess.run([program("poold-keeper"), "daemon"], input=text(self.spec),
                              capture_output=True, timeout=30)

    def connect(self, **how):
        return Connection(self.socket, **how)

    def pid(self):
        with open(self.lock) as lock:
            return int(lock.read().split()[0])

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()
