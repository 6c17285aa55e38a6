"""poold as a service: handed its sockets as systemd and launchd would, and under a systemd that really runs
where one can be started (root and a mount namespace of its own). No launchd has run this."""
import fcntl
import http.client
import json
import os
import plistlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import BIN, alive, wait_until
from lines_client import Socket as Lines
from mcp_client import Client

PATH = ":".join(dict.fromkeys(p for p in os.environ["PATH"].split(":") if p.startswith("/")))
NOT_RUNNING, NOT_FOUND, USAGE, CONFIG = 7, 14, 2, 9
SYSTEMD = Path("/lib/systemd/systemd")


class Manager:
    """Plays the service manager: holds the sockets, starts poold with them, hears its notifications."""

    def __init__(self, pool):
        self.pool = pool
        pool.run.mkdir(mode=0o700, parents=True)
        self.front = socket.create_server(("127.0.0.1", pool.port), backlog=512)
        self.api, self.mcp = self.listen("api.sock"), self.listen("mcp.sock")
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notes.bind(str(pool.root / "notify"))
        self.notes.settimeout(20)
        self.heard = []

    def listen(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.bind(str(self.pool.run / name))
        s.listen(128)
        return s

    def start(self, names="front:api:mcp", watchdog_us=None):
        env = {**self.pool.env, "LISTEN_FDS": "3", "NOTIFY_SOCKET": str(self.pool.root / "notify")}
        if names:
            env["LISTEN_FDNAMES"] = names
        self.pool.state.joinpath("logs").mkdir(parents=True, exist_ok=True)
        log = os.open(self.pool.state / "logs" / "poold.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                env["LISTEN_PID"] = str(os.getpid())
                if watchdog_us:
                    env.update(WATCHDOG_USEC=str(watchdog_us), WATCHDOG_PID=str(os.getpid()))
                # Out of the way of 1 to 5 first.
                high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100)
                        for fd in (log, log, *(s.fileno() for s in (self.front, self.api, self.mcp)))]
                os.setsid()
                for fd, source in enumerate(high, 1):
                    os.dup2(source, fd)
                os.closerange(6, 256)
                os.execve(BIN / "poold", ["poold"], env)
            finally:
                os._exit(127)
        os.close(log)

    def hear(self, wanted):
        """Wait for this notification of the running poold."""
        while wanted not in self.heard:
            self.heard.append(self.notes.recv(4096).decode())

    def end(self, sig):
        os.kill(self.pid, sig)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self):
        for s in (self.front, self.api, self.mcp, self.notes):
            s.close()


@pytest.fixture
def manager(pool):
    m = Manager(pool)
    yield m
    m.close()
    if alive(m.pid):
        m.end(signal.SIGTERM)
    for name in ("api.sock", "mcp.sock"):
        (pool.run / name).unlink(missing_ok=True)


class Visitors:
    """Connects all the time, as clients do; every answer that is missing counts."""

    def __init__(self, url_port):
        self.port, self.failures, self.answered, self.stop = url_port, [], 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=20) as s:
                    self.answered += 1
                    time.sleep(0.002)
            except OSError as e:
                self.failures.append(e)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


@pytest.mark.parametrize("names", ["front:api:mcp", "poold.socket:poold.socket:poold.socket", None])
def test_poold_takes_the_sockets_whatever_the_unit_calls_them(pool, manager, names):
    manager.start(names)
    manager.hear("READY=1")
    assert pool.pid() == manager.pid, "poold must not put a keeper of its own between"
    assert pool.json("version")["poold"]["pid"] == manager.pid
    assert not (pool.run / "holder.lock").exists()


def test_a_service_manager_hears_ready_watchdog_and_stopping(pool, manager):
    manager.start(watchdog_us=200_000)
    manager.hear("READY=1")
    manager.hear("WATCHDOG=1")
    manager.heard.clear()
    manager.hear("WATCHDOG=1")
    assert manager.end(signal.SIGTERM) == 0
    manager.hear("STOPPING=1")


def test_a_loop_that_stands_still_does_not_feed_the_watchdog(pool, manager):
    manager.start(watchdog_us=100_000)
    manager.hear("READY=1")
    os.kill(manager.pid, signal.SIGSTOP)
    manager.notes.setblocking(False)
    wait_until(lambda: Path(f"/proc/{manager.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", "it stops")
    with pytest.raises(BlockingIOError):
        while True:
            manager.notes.recv(4096)
    manager.notes.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.notes.recv(4096)
    os.kill(manager.pid, signal.SIGCONT)
    manager.notes.settimeout(20)
    manager.heard.clear()
    manager.hear("WATCHDOG=1")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_by_the_manager_refuses_nobody_and_keeps_daemons_and_sessions(pool, manager, project, sig):
    repo = project()
    manager.start()
    manager.hear("READY=1")
    pool.ctl("ensure", repo)
    before = pool.daemon(repo)
    client = Client(f"{pool.url}/p/{before['projectKey']}/mcp")
    client.open()
    with Visitors(pool.port) as visitors:
        for _ in range(3):
            manager.end(sig)
            seen = visitors.answered
            wait_until(lambda: visitors.answered > seen + 2, "clients connect while poold is away")
            assert alive(before["pid"]) and alive(before["keeperPid"])
            manager.heard.clear()
            manager.start()
            manager.hear("READY=1")
    assert not visitors.failures, visitors.failures[:3]
    client.close()
    assert client.whoami()["pid"] == before["pid"], "the session goes on"
    manager.end(sig)
    waiting = Lines(pool, project=str(repo), wait=False)  # in the backlog of the socket that the manager holds
    manager.start()
    assert waiting.open().whoami()["pid"] == before["pid"]
    waiting.close()
    after = pool.daemon(repo)
    assert (after["daemonId"], after["pid"], after["state"]) == (before["daemonId"], before["pid"], "ready")


def test_a_shutdown_that_comes_before_adoption_is_complete_ends_the_daemons_too(pool, manager, project):
    repo = project()
    manager.start()
    manager.hear("READY=1")
    pool.ctl("ensure", repo)
    daemon = pool.daemon(repo)
    manager.end(signal.SIGTERM)
    manager.heard.clear()
    os.kill(daemon["keeperPid"], signal.SIGSTOP)  # it does not answer yet: no adoption
    try:
        manager.start()
        manager.hear("READY=1")
        asking = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=20)
        asking.request("POST", "/api/v1/shutdown", "{}", {"Content-Type": "application/json"})
        assert asking.getresponse().status == 202
        manager.hear("STOPPING=1")
    finally:
        os.kill(daemon["keeperPid"], signal.SIGCONT)
    wait_until(lambda: not alive(manager.pid), "poold ends")
    assert not alive(daemon["pid"]) and not alive(daemon["keeperPid"])


def test_what_a_service_inherits_does_not_reach_the_daemons(pool, manager, project):
    repo = project()
    manager.start(watchdog_us=60_000_000)
    manager.hear("READY=1")
    pool.ctl("ensure", repo)
    environ = Path(f"/proc/{pool.daemon(repo)['pid']}/environ").read_bytes().split(b"\0")
    names = {e.split(b"=")[0] for e in environ}
    assert not names & {b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES", b"NOTIFY_SOCKET", b"WATCHDOG_USEC"}
    assert len(os.listdir(f"/proc/{pool.daemon(repo)['pid']}/fd")) < 12


# --- the files ---

def printed(pool, *words):
    return {Path(f["path"]).name: f for f in pool.json("service", "install", "--print", *words)["files"]}


def test_print_touches_nothing_and_names_the_places_given(pool):
    files = printed(pool, "--manager", "systemd")
    service = files["poold.service"]
    assert f"--state-dir {pool.state}" in service["text"] and f"--listen 127.0.0.1:{pool.port}" in service["text"]
    assert f'Environment="PATH={PATH}"' in service["text"]
    assert service["path"] == str(pool.home / ".config/systemd/user/poold.service")
    assert not (pool.home / ".config").exists()
    text = pool.ctl("service", "install", "--print").stdout
    assert text.count("==> ") == 2 and "WatchdogSec=" in text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["plain", "with blank, 100% and 'quotes' $HOME"])
def test_systemd_itself_finds_no_mistake_in_the_units(pool, tmp_path, name):
    places = tmp_path / name
    places.mkdir()
    pool.env.update(POOLD_STATE_DIR=str(places / "state"), POOLD_CONFIG=str(places / "poold.conf"))
    for f in printed(pool, "--manager", "systemd").values():
        (tmp_path / Path(f["path"]).name).write_text(f["text"])
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = subprocess.run(["systemd-analyze", "--user", "--man=no", "verify", tmp_path / "poold.service",
                           tmp_path / "poold.socket"], capture_output=True, text=True,
                          env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)})
    assert (done.returncode, done.stderr) == (0, "")
    bad = (tmp_path / "poold.service").read_text().replace("Type=notify", "Type=nonsense")
    (tmp_path / "poold.service").write_text(bad)
    done = subprocess.run(["systemd-analyze", "--user", "--man=no", "verify", tmp_path / "poold.service"],
                          capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)})
    assert "nonsense" in done.stderr, "verify does not look"


def test_launchds_plist_can_be_read_and_says_what_is_needed(pool, tmp_path):
    odd = tmp_path / "a & <b>"
    pool.env["POOLD_STATE_DIR"] = str(odd)
    [f] = printed(pool, "--manager", "launchd").values()
    job = plistlib.loads(f["text"].encode())
    assert f["path"] == str(pool.home / "Library/LaunchAgents/local.poold.plist")
    assert job["ProgramArguments"][0] == str(BIN / "poold")
    assert job["ProgramArguments"][job["ProgramArguments"].index("--state-dir") + 1] == str(odd)
    assert job["Sockets"]["front"] == {"SockNodeName": "127.0.0.1", "SockServiceName": str(pool.port),
                                       "SockType": "stream"}
    for name in ("api", "mcp"):
        assert job["Sockets"][name] == {"SockPathName": str(pool.run / f"{name}.sock"), "SockPathMode": 0o600}
    assert job["AbandonProcessGroup"] is True and job["KeepAlive"] == {"SuccessfulExit": False}
    assert job["EnvironmentVariables"]["PATH"] == PATH


def test_a_port_that_changes_is_no_port_for_a_service(pool):
    done = pool.ctl("service", "install", "--print", "--listen", "127.0.0.1:0", check=False)
    assert done.returncode == USAGE and "fixed port" in done.stderr


def test_without_a_manager_the_files_are_written_and_the_commands_shown(pool):
    pool.env["XDG_RUNTIME_DIR"] = str(pool.root / "nowhere")
    done = pool.ctl("service", "install").stdout
    unit = pool.home / ".config/systemd/user/poold.service"
    assert unit.is_file() and unit.with_name("poold.socket").is_file()
    assert "    systemctl --user daemon-reload\n    systemctl --user enable --now poold.socket poold.service\n" in done
    again = pool.json("service", "install")
    assert [f["state"] for f in again["files"]] == ["unchanged", "unchanged"] and not again["managerReachable"]
    moved = pool.json("service", "install", "--listen", "127.0.0.1:7338")
    assert [f["state"] for f in moved["files"]] == ["updated", "updated"]
    assert "127.0.0.1:7338" in unit.read_text()
    state = pool.ctl("service", "status", "--json", check=False)
    assert state.returncode == NOT_RUNNING
    gone = pool.json("service", "uninstall")
    assert [f["state"] for f in gone["files"]] == ["removed", "removed"] and not unit.exists()
    assert pool.ctl("service", "status", check=False).returncode == NOT_FOUND
    assert "was no service" not in pool.ctl("service", "uninstall").stdout


# --- a systemd that really runs ---

# A user manager that finds itself in the root control group would move all processes of the machine into a group
# of its own, so it gets one of ours in each hierarchy that systemd looks at, or there is no test (status 99).
INSIDE = """
for dir in $CGROUPS; do
    mkdir "$dir" && echo $$ >"$dir/cgroup.procs" || exit 99
done
grep -E '^0::/$|name=systemd:/$' /proc/self/cgroup && exit 99
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system || exit 99
exec %s --user --log-target=console --log-level=warning
""" % SYSTEMD


def own_cgroups(name):
    """Directories for a control group of this name below ours, in systemd's hierarchies."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        top = Path("/sys/fs/cgroup")
        if controllers == "name=systemd":
            top = top / "systemd"
        elif controllers:
            continue
        elif not (top / "cgroup.procs").exists():
            top = top / "unified"
        if (top / "cgroup.procs").exists():
            found.append(top / path.lstrip("/") / name)
    return found


def remove_cgroup(group):
    """What still lives in it (keepers do) goes back to where we are."""
    if not group.exists():
        return
    for folder, _, _ in os.walk(group, topdown=False):
        for pid in (Path(folder) / "cgroup.procs").read_text().split():
            try:
                (group.parent / "cgroup.procs").write_text(pid)
            except OSError:
                pass
        wait_until(lambda: not (Path(folder) / "cgroup.procs").read_text(), f"{folder} is empty")
        os.rmdir(folder)


@contextmanager
def real_systemd(pool):
    """A user manager of the test's own in a mount namespace, on the test's directories."""
    if os.getuid() or not SYSTEMD.exists() or not shutil.which("systemctl") or not shutil.which("unshare"):
        pytest.skip("needs root, systemd and unshare")
    runtime = pool.root / "xdg"
    runtime.mkdir(mode=0o700)
    pool.env["XDG_RUNTIME_DIR"] = str(runtime)
    pool.env.pop("DBUS_SESSION_BUS_ADDRESS", None)
    groups = own_cgroups(pool.root.name)
    if not groups:
        pytest.skip("no control groups")
    env = {k: v for k, v in pool.env.items() if not k.startswith("POOLD_")}
    env["CGROUPS"] = " ".join(map(str, groups))
    log = open(pool.root / "systemd.log", "wb")
    process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", INSIDE],
                               env=env, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=log, start_new_session=True)
    log.close()

    def is_up():
        return process.poll() is not None or systemctl(pool, "show-environment").returncode == 0
    try:
        wait_until(is_up, "systemd answers")
        if process.poll() is not None:
            pytest.skip("no systemd can be started here: " + (pool.root / "systemd.log").read_text()[-300:])
        yield process
    finally:
        if process.poll() is None:
            systemctl(pool, "stop", "poold.socket", "poold.service")
            process.terminate()
            process.wait(20)
        for group in groups:
            remove_cgroup(group)


def systemctl(pool, *words):
    return subprocess.run(["systemctl", "--user", *words], env=pool.env, capture_output=True, text=True)


def test_under_systemd_install_kill_update_and_uninstall_leave_daemons_alive(pool, project):
    repo = project()
    with real_systemd(pool):
        # A poold by hand first: it is told, then handed over.
        pool.ctl("ensure", repo)
        daemon = pool.daemon(repo)
        told = pool.ctl("service", "install").stdout
        assert "runs by itself" in told and "poolctl service install --now" in told
        by_hand = pool.pid()
        pool.ctl("service", "install", "--now")
        state = pool.json("service", "status")
        assert state["servesPlaces"] and state["socketsHeld"] and state["enabled"] and state["current"]
        assert pool.pid() != by_hand and pool.daemon(repo)["daemonId"] == daemon["daemonId"]

        client = Client(f"{pool.url}/p/{daemon['projectKey']}/mcp")
        client.open()
        with Visitors(pool.port) as visitors:
            old = pool.pid()
            os.kill(old, signal.SIGKILL)
            wait_until(lambda: pool.pid() not in (None, old) and pool.serves(), "systemd starts it again")
            assert systemctl(pool, "restart", "poold.service").returncode == 0
            # An update of the service file restarts poold and leaves the sockets open.
            pool.env["PATH"] += ":/an/update"
            assert [f["state"] for f in pool.json("service", "install")["files"]] == ["updated", "unchanged"]
            wait_until(pool.serves, "the updated poold serves")
            assert b"/an/update" in Path(f"/proc/{pool.pid()}/environ").read_bytes()
        assert not visitors.failures, visitors.failures[:3]
        client.close()
        assert client.whoami()["pid"] == daemon["pid"]
        assert pool.daemon(repo)["daemonId"] == daemon["daemonId"] and alive(daemon["pid"])

        done = pool.ctl("service", "uninstall").stdout
        assert "daemons live on" in done and alive(daemon["pid"])
        assert not pool.pid() and systemctl(pool, "is-active", "poold.socket").stdout.strip() == "inactive"


def test_under_systemd_a_mistake_in_the_configuration_keeps_clients_waiting_not_refused(pool):
    with real_systemd(pool):
        pool.ctl("service", "install")
        good = pool.config_file.read_text()
        pool.config_file.write_text('{"idleSeconds": "long"}')
        os.kill(pool.pid(), signal.SIGKILL)
        shown = ("show", "poold.service", "--property", "Result,ExecMainStatus")
        ended = ["ExecMainStatus=%d" % CONFIG, "Result=exit-code"]
        wait_until(lambda: sorted(systemctl(pool, *shown).stdout.split()) == ended, "the mistake ends poold")
        with socket.create_connection(("127.0.0.1", pool.port), timeout=20) as s:
            s.sendall(b"GET /api/v1/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            pool.config_file.write_text(good)
            assert s.recv(4096).startswith(b"HTTP/1.1 200"), "served once the mistake is mended"
        assert systemctl(pool, "is-active", "poold.socket").stdout.strip() == "active"
        # SIGTERM is a clean end: not started again until somebody asks.
        systemctl(pool, "kill", "--signal=TERM", "poold.service")
        wait_until(lambda: systemctl(pool, "is-active", "poold.service").stdout.strip() == "inactive", "a clean end")
        assert pool.ctl("version").returncode == 0 and pool.serves(), "a request starts it"

        # Stopped sockets are doctor's business, and its remedy brings them back.
        def service():
            report = json.loads(pool.ctl("doctor", "--json", check=False).stdout)
            return [(c["state"], c["remedy"]) for c in report["checks"] if c["check"] == "service"][0]
        assert service()[0] == "ok"
        systemctl(pool, "stop", "poold.socket", "poold.service")
        assert service() == ("problem", "poolctl service install")
        pool.ctl("service", "install")
        assert service()[0] == "ok" and pool.serves()
