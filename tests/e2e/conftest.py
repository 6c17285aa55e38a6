"""Fixtures: a poold of its own per test, in its own directories and on its own port."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BIN = Path(os.environ.get("POOLD_BIN_DIR", HERE.parent.parent / "build" / "tests"))
FAKE = HERE / "fake_mcp.py"
sys.path.insert(0, str(HERE))


def wait_until(condition, what="condition", seconds=20.0):
    """The value of condition() as soon as it is true; fails after seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def alive(pid):
    """Is there such a process, and no zombie? Its files are open until its last thread has ended."""
    try:
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
            return True
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def fake_server(*options, **entry):
    """A server entry of the configuration that starts the fake."""
    return {"command": sys.executable, "type": "http",
            "args": [str(FAKE), "--port", "${POOLD_PORT}", "--project", "${POOLD_PROJECT}", *options], **entry}


class Pool:
    """One poold with places of its own."""

    def __init__(self, root, port_range):
        self.root = Path(root)
        self.state, self.run = self.root / "state", self.root / "run"
        self.config_file = self.root / "poold.conf"
        self.port_range = port_range
        self.home = self.root / "home"
        self.home.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("POOLD_")}
        if "POOLD_SERENA_DIR" in os.environ:
            self.env["POOLD_SERENA_DIR"] = os.environ["POOLD_SERENA_DIR"]
        self.env.update(HOME=str(self.home), POOLD_STATE_DIR=str(self.state), POOLD_RUN_DIR=str(self.run),
                        POOLD_CONFIG=str(self.config_file), POOLD_LISTEN=f"127.0.0.1:{self.port}")
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"):
            self.env.pop(name, None)
        self.configure()

    def configure(self, servers=None, **settings):
        """Write the configuration; the default server is the fake unless told otherwise."""
        if servers is None:
            servers = {"fake": fake_server()}
        self.config = {"portRange": self.port_range, "defaultServer": next(iter(servers), "serena"), **settings}
        if servers:
            self.config["mcpServers"] = servers
        self.config_file.write_text(json.dumps(self.config, indent=1))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ctl(self, *words, check=True, cwd=None, timeout=60, input=None):
        """Run poolctl; its CompletedProcess."""
        done = subprocess.run([BIN / "poolctl", *map(str, words)], env=self.env, cwd=cwd, timeout=timeout,
                              capture_output=True, text=True, input=input)
        if check and done.returncode:
            pytest.fail(f"poolctl {' '.join(map(str, words))} -> {done.returncode}\n{done.stdout}{done.stderr}\n"
                        + self.log_tail())
        return done

    def connect_command(self, *words):
        """`poolctl connect` as people write it into a mcpServers file, with this pool's places."""
        return [str(BIN / "poolctl"), "--config", str(self.config_file), "--state-dir", str(self.state), "--run-dir",
                str(self.run), "--listen", f"127.0.0.1:{self.port}", "connect", *words]

    def json(self, *words, **kw):
        return json.loads(self.ctl(*words, "--json", **kw).stdout)

    def daemon(self, project, server=None):
        """The row of `poolctl list` for this project."""
        rows = [d for d in self.json("list") if d["project"] == str(project) and server in (None, d["server"])]
        return rows[0] if rows else None

    def start(self):
        """poold in the foreground of its own keeper; returns when it serves."""
        self.root.joinpath("state", "logs").mkdir(parents=True, exist_ok=True)
        log = open(self.state / "logs" / "poold.log", "ab")
        self.state.chmod(0o700)
        self.process = subprocess.Popen([BIN / "poold"], env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, start_new_session=True)
        log.close()
        wait_until(lambda: self.process.poll() is not None or self.serves(), "poold serves")
        assert self.process.poll() is None, self.log_tail()
        return self

    def serves(self):
        return self.pid() and self.ctl("version", check=False).returncode == 0

    def pid(self):
        """Of the serving poold."""
        try:
            return int((self.run / "poold.pid").read_text())
        except (OSError, ValueError):
            return None

    def kill(self, sig=signal.SIGKILL):
        """Kill the serving poold and wait until another serves."""
        old = self.pid()
        os.kill(old, sig)
        wait_until(lambda: self.pid() not in (None, old) and self.serves(), "the next poold")

    def log_tail(self, lines=60):
        try:
            return "".join((self.state / "logs" / "poold.log").open(errors="replace").readlines()[-lines:])
        except OSError:
            return ""

    def ours(self):
        """pids of all processes that were started for this pool: poold's, and each daemon's tree."""
        found = []
        marks = {f"POOLD_RUN_DIR={self.run}".encode(), f"HOME={self.home}".encode()}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if marks & set((entry / "environ").read_bytes().split(b"\0")) and alive(entry.name):
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def close(self):
        if self.run.exists():
            self.ctl("shutdown", check=False)
        try:
            wait_until(lambda: not self.ours(), "all processes are gone", 20)
        except BaseException:
            left = [(p, Path(f"/proc/{p}/cmdline").read_text().replace("\0", " ")) for p in self.ours()]
            for pid, _ in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            pytest.fail(f"left behind: {left}\n{self.log_tail()}")
        self.check_sanitizers()

    def check_sanitizers(self):
        """The sanitizers found nothing in poold and its keepers."""
        for log in (self.state / "logs").glob("*.log"):
            lines = log.read_text(errors="replace").splitlines()
            for i, line in enumerate(lines):
                if any(word in line for word in ("ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer")):
                    pytest.fail(f"{log.name}: " + "\n".join(lines[i:i + 40]))


def port_range_of(worker_id):
    """Daemon ports of this test worker, so that parallel tests do not meet."""
    n = int(worker_id[2:]) if worker_id.startswith("gw") else 0
    n += int(os.environ.get("POOLD_TEST_FIRST_WORKER", 0))  # several runs at once on one machine
    return f"{21000 + 100 * (n % 9)}-{21099 + 100 * (n % 9)}"


@contextmanager
def pool_of_its_own(config):
    """A Pool for a fixture of any scope; config is pytest's. Ended and deleted on leaving."""
    worker = getattr(config, "workerinput", {}).get("workerid", "master")
    root = tempfile.mkdtemp(prefix="poold-")
    p = Pool(root, port_range_of(worker))
    yield p
    p.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def pool(request):
    """A Pool with a configuration, not started yet (poolctl ensure or pool.start() does)."""
    with pool_of_its_own(request.config) as p:
        yield p


def make_project(pool, name="repo"):
    """A directory with a .git, in the pool's home."""
    path = pool.home / name
    (path / ".git").mkdir(parents=True)
    (path / "sub").mkdir()
    return path


@pytest.fixture
def project(pool):
    """make("name") -> a project in the pool's home."""
    return lambda name="repo": make_project(pool, name)


def serena_dir():
    """Where ./quickstart put Serena; skips the test where it is not installed."""
    found = Path(os.environ.get("POOLD_SERENA_DIR", Path.home() / ".local/share/poold/serena"))
    if not (found / "bin" / "serena").exists():
        pytest.skip(f"Serena is not in {found}: ./runtests installs it")
    return found
