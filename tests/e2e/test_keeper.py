"""poold-keeper from outside: real processes, its socket, its files."""
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import uuid

import pytest

from keeper_client import (BYE, INPUT, INPUT_ACK, LINE_ACK, STATUS, SUPERSEDED, Closed, Connection,
                           Keeper, parse, program)

MARK = "POOLD_TEST_MARK"


def eventually(condition, timeout=20):
    """Wait for a condition; what it gave."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "this did not happen in time"
        time.sleep(0.01)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # the second from a read while it goes
        return False


def marked(mark):
    """Living processes that were started with our mark in the environment."""
    found, entry = [], f"{MARK}={mark}".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as f:
                    if entry in f.read().split(b"\0") and is_alive(int(name)):
                        found.append(int(name))
            except OSError:
                pass
    return found


class World:
    """Makes keepers, and sees to it that nothing of them is left."""

    def __init__(self, folder):
        self.folder, self.mark, self.keepers = str(folder), uuid.uuid4().hex, []

    def keeper(self, argv, env=None, **changes):
        keeper = Keeper(self.folder, argv, {MARK: self.mark, **(env or {})}, **changes)
        self.keepers.append(keeper)
        return keeper

    def start(self, argv, env=None, **changes):
        """A keeper that has started, and a connection that has said hello."""
        keeper = self.keeper(argv, env, **changes)
        done = keeper.start()
        assert (done.returncode, done.stderr) == (0, b"")
        connection = keeper.connect(epoch=changes.get("epoch", 1))
        connection.greet()
        return keeper, connection

    def python(self, code, **more):
        return self.start([sys.executable, "-c", code], **more)

    def finish(self):
        for keeper in self.keepers:
            try:
                pid = keeper.pid()
                os.kill(pid, signal.SIGTERM)
                eventually(lambda: not is_alive(pid), 10)
            except (OSError, IndexError):
                pass
        left = marked(self.mark)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, "processes were left behind"


@pytest.fixture
def world(tmp_path):
    w = World(tmp_path)
    yield w
    w.finish()


READY = "import sys,time,os,signal\nprint('ready', flush=True)\n"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def wait_output(keeper, what, count=1):
    eventually(lambda: keeper.log_text().count(what) >= count)


# --- start, status, stop -----------------------------------------------------------------------

def test_a_daemon_starts_and_its_status_tells_who_it_is(world):
    keeper, c = world.python(READY + "time.sleep(1000)", port=21999, generation=7)
    wait_output(keeper, "ready\n")
    s = c.status()
    assert s["state"] == "running" and s["id"] == keeper.id and s["generation"] == "7"
    assert s["project"] == keeper.folder and s["project_key"] == "k-1234567890"
    assert (s["server"], s["definition"], s["transport"]) == ("test", "abc", "http")
    assert s["port"] == "21999" and s["tail"] == "ready\n"
    assert c.welcome["version"] == "1" and int(s["keeper_pid"]) == keeper.pid()
    assert abs(int(s["started_unix_ms"]) - time.time() * 1000) < 60000
    pid = int(s["pid"])
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    assert s["start_time"] == fields[19]
    assert int(fields[3]) == pid, "the daemon leads a session of its own"
    with open("/proc/sys/kernel/random/boot_id") as f:
        boot_id = f.read().strip()
    assert s["boot_id"] == boot_id
    with open(keeper.lock) as f:
        assert f.read().split()[::2] == [str(keeper.pid()), boot_id]
    assert keeper.id in open(f"/proc/{keeper.pid()}/cmdline").read(), "ps shows whose keeper it is"


def test_the_files_are_private_and_the_lock_is_held(world):
    keeper, _ = world.start(["sleep", "1000"])
    for path in (keeper.lock, keeper.socket, keeper.log):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(keeper.lock) as f, pytest.raises(BlockingIOError):
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_stop_ends_it_and_removes_the_files(world):
    keeper, c = world.start(["sleep", "1000"])
    pid, keeper_pid = int(c.status()["pid"]), keeper.pid()
    c.stop(reason="idle")
    assert c.wait_state("stopping")["stop_reason"] == "idle"
    s = c.wait_state("exited")
    assert s["exit_signal"] == "15" and s["stop_reason"] == "idle" and not is_alive(pid)
    assert c.is_closed()
    eventually(lambda: not is_alive(keeper_pid))
    assert not os.path.exists(keeper.socket) and not os.path.exists(keeper.lock)
    assert os.path.exists(keeper.log)


def test_the_daemon_gets_exactly_its_environment_directory_and_descriptors(world):
    keeper, _ = world.python(
        "import os,signal\n"
        "print(sorted(k for k in os.environ if k != 'LC_CTYPE'), os.environ['POOLD_DAEMON_ID'], "
        "os.environ['ODD'].split('\\n'), os.getcwd(), sorted(os.listdir('/proc/self/fd')), "
        "os.readlink('/proc/self/fd/0'), signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, "
        "[l for l in open('/proc/self/status') if l.startswith('SigBlk')], flush=True)\n"
        "print('all said', flush=True)\nimport time; time.sleep(1000)",
        env={"ODD": "two\nlines \\ and a backslash"}, cwd="/usr", id="d-odd")
    wait_output(keeper, "all said")
    out = keeper.log_text()
    assert "['ODD', 'PATH', 'POOLD_DAEMON_ID', 'POOLD_TEST_MARK'] d-odd" in out
    assert "['two', 'lines \\\\ and a backslash'] /usr ['0', '1', '2', '3'] /dev/null" in out
    assert "null True ['SigBlk:\\t0000000000000000" in out


def test_the_second_keeper_of_one_id_is_refused(world):
    keeper, c = world.start(["sleep", "1000"])
    done = keeper.start()
    assert done.returncode == 8 and b"already running, pid %d" % keeper.pid() in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert c.status()["state"] == "running"


@pytest.mark.parametrize("change,word", [
    ({"id": "../x"}, b"id"), ({"id": None}, b"id"), ({"port": "70000"}, b"port"),
    ({"transport": "carrier pigeon"}, b"transport"), ({"log_max_bytes": None}, b"log_max_bytes"),
    ({"run_dir": "relative"}, b"absolute"), ({"grace_ms": "soon"}, b"grace_ms"),
])
def test_a_spec_that_makes_no_sense_is_refused_with_the_key(world, change, word):
    if "id" in change:
        keeper = world.keeper(["true"])
        keeper.spec = [(k, change["id"] if k == "id" else v) for k, v in keeper.spec
                       if k != "id" or change["id"]]
    else:
        keeper = world.keeper(["true"], **change)
    done = keeper.start()
    assert done.returncode == 2 and word in done.stderr and done.stderr.count(b"\n") == 1


def test_a_place_that_does_not_exist_is_told_in_the_foreground(world):
    for change in ({"run_dir": "/nonexistent"}, {"log": "/nonexistent/log"}):
        done = world.keeper(["true"], **change).start()
        assert done.returncode == 1 and b"/nonexistent" in done.stderr
    assert os.listdir(world.folder) == []


def test_a_daemon_that_exits_at_once_is_told_to_who_comes_later(world):
    keeper = world.keeper(["sh", "-c", "echo last words; exit 3"])
    assert keeper.start().returncode == 0
    wait_output(keeper, "exited with code 3")
    c = keeper.connect()
    s = c.greet()
    assert (s["state"], s["exit_code"], s["tail"]) == ("exited", "3", "last words\n")
    assert "stop_reason" not in s and "exec_errno" not in s
    assert c.is_closed()
    eventually(lambda: not os.path.exists(keeper.lock))


@pytest.mark.parametrize("argv,errno", [(["no-such-command-anywhere"], 2), (["/etc/passwd"], 13)])
def test_a_command_that_cannot_run_is_told_as_such(world, argv, errno):
    keeper = world.keeper(argv)
    assert keeper.start().returncode == 0
    s = keeper.connect().greet()
    assert (s["state"], s["exec_errno"], s["pid"]) == ("exited", str(errno), "0")
    assert argv[0] in s["tail"]


def test_a_directory_that_is_gone_is_told_as_such(world):
    keeper = world.keeper(["true"], cwd="/nonexistent/dir")
    assert keeper.start().returncode == 0
    s = keeper.connect().greet()
    assert s["exec_errno"] == "2" and "unable to enter /nonexistent/dir" in s["tail"]


def test_the_command_is_searched_in_the_path_of_the_spec(world, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "only-here"
    script.write_text("echo found by the spec; exec sleep 1000\n")  # no "#!": as a shell does it
    script.chmod(0o755)
    keeper, _ = world.start(["only-here"], env={"PATH": f"/nonexistent:{folder}:/usr/bin:/bin"})
    wait_output(keeper, "found by the spec")


# --- the whole tree ----------------------------------------------------------------------------

def test_a_server_that_ignores_term_is_killed_after_the_grace(world):
    keeper, c = world.python(DEAF + READY + "while True: time.sleep(1)")
    wait_output(keeper, "ready")
    begin = time.monotonic()
    c.stop(grace_ms=700)
    s = c.wait_state("exited")
    assert s["exit_signal"] == "9" and 0.6 < time.monotonic() - begin < 5


def test_a_second_stop_shortens_the_grace(world):
    keeper, c = world.python(DEAF + READY + "while True: time.sleep(1)")
    wait_output(keeper, "ready")
    c.stop(grace_ms=60000, reason="first")
    c.wait_state("stopping")
    begin = time.monotonic()
    c.stop(grace_ms=100, reason="second")
    s = c.wait_state("exited")
    assert time.monotonic() - begin < 5 and s["stop_reason"] == "first"


def test_a_stopped_daemon_can_act_on_the_term(world):
    keeper, c = world.python(
        "import signal,sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n" + READY
        + "while True: time.sleep(1)")
    wait_output(keeper, "ready")
    os.kill(int(c.status()["pid"]), signal.SIGSTOP)
    c.stop(grace_ms=20000)
    assert c.wait_state("exited")["exit_code"] == "42"


FAMILY = DEAF + READY + """
def family(depth):  # each in its own session, by double fork, deaf to TERM
    for i in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                print('member', flush=True)
                if depth: family(depth - 1)
                while True: time.sleep(1)
            os._exit(0)
family(1)
"""


def test_grandchildren_in_sessions_of_their_own_are_ended_too(world):
    keeper, c = world.python(FAMILY + "while True: time.sleep(1)")
    wait_output(keeper, "member", 12)
    eventually(lambda: c.usage()["processes"] == 13)  # once the ones between are gone
    c.stop(grace_ms=300)
    c.wait_state("exited")
    assert marked(world.mark) == []


def test_the_end_of_the_main_process_is_the_end_of_the_daemon(world):
    keeper, c = world.python(FAMILY + "time.sleep(1000)", grace_ms=400)
    wait_output(keeper, "member", 12)
    os.kill(int(c.status()["pid"]), signal.SIGKILL)
    s = c.wait_state("exited")
    assert s["exit_signal"] == "9" and "stop_reason" not in s
    assert marked(world.mark) == []


def test_a_stop_during_the_end_hurries_it_but_is_not_its_reason(world):
    keeper, c = world.python(FAMILY + "time.sleep(1000)", grace_ms=60000)
    wait_output(keeper, "member", 12)
    os.kill(int(c.status()["pid"]), signal.SIGKILL)
    assert c.wait_state("stopping")["exit_signal"] == "9", "told before the tree is gone"
    begin = time.monotonic()
    c.stop(grace_ms=50, reason="evict")
    assert "stop_reason" not in c.wait_state("exited")
    assert time.monotonic() - begin < 3


def test_the_end_of_its_input_tells_a_stdio_server_to_stop(world):
    keeper, c = world.python(DEAF + "import sys\nprint('x', flush=True)\nsys.stdin.read()\n"
                             "sys.exit(6)", transport="stdio")
    assert c.line() == (1, "x")
    c.stop(grace_ms=20000)
    assert c.wait_state("exited")["exit_code"] == "6"


def test_a_server_that_forks_away_has_ended(world):
    keeper, c = world.start(["sh", "-c", "setsid sleep 1000 & echo left; exit 0"])
    assert c.wait_state("exited")["exit_code"] == "0"
    assert marked(world.mark) == []


def test_a_kept_open_output_does_not_delay_the_end(world):
    keeper, c = world.python(
        "import os,time,signal\nif os.fork() == 0:\n  while True: print('x' * 1000, flush=True)\n"
        "time.sleep(0.2)\nos._exit(5)", grace_ms=200)
    assert c.wait_state("exited")["exit_code"] == "5"


def test_usage_counts_the_tree(world):
    keeper, c = world.python(
        "import os,time\nb = bytearray(30 << 20)\nb[::4096] = b'x' * len(b[::4096])\n"
        "end = time.process_time() + 0.1\nwhile time.process_time() < end: pass\n"
        "pid = os.fork()\nif pid: print('ready', flush=True)\ntime.sleep(1000)")
    wait_output(keeper, "ready")
    u = c.usage()
    assert u["processes"] == 2 and u["cpu_ms"] >= 90
    assert u["rss_bytes"] > 60 << 20 and 30 << 20 < u["pss_bytes"] < u["rss_bytes"]


# --- output ------------------------------------------------------------------------------------

def test_a_hundred_megabytes_of_output_are_rotated_and_never_block(world):
    keeper, c = world.python(
        "import sys\nline = 'y' * 999 + '\\n'\nfor i in range(100000): sys.stdout.write(line)\n"
        "sys.stdout.flush()\nsys.stderr.write('the end\\n')\nsys.exit(7)", log_max_bytes=5 << 20)
    s = c.wait_state("exited", 120)
    assert s["exit_code"] == "7" and s["tail"].endswith("the end\n") and len(s["tail"]) > 3000
    assert os.path.getsize(keeper.log) <= 5 << 20
    assert 4 << 20 < os.path.getsize(keeper.log + ".1") <= (5 << 20) + 1000  # its last line is whole
    assert stat.S_IMODE(os.stat(keeper.log + ".1").st_mode) == 0o600
    with open(keeper.log + ".1") as f:
        assert all(len(line) == 1000 for line in f), "a rotation cuts no line"
    eventually(lambda: sorted(os.listdir(world.folder)) == ["d-1.log", "d-1.log.1"])


def test_output_without_any_line_end_is_rotated_too(world):
    keeper, c = world.python("import sys\nfor i in range(100): sys.stdout.write('z' * 10000)",
                             log_max_bytes=100000)
    s = c.wait_state("exited")
    assert os.path.getsize(keeper.log) <= 101000 and s["tail"] == "z" * 4096


def test_nobody_who_does_not_read_holds_up_the_daemon(world):
    keeper, c = world.start(["sh", "-c", "while :; do echo tick; sleep 0.05; done"])
    for _ in range(20000):  # answers that nobody takes: the keeper listens no more, and lives on
        try:
            c.socket.settimeout(0.2)
            c.send(3 + 1)
        except TimeoutError:
            break
    else:
        pytest.fail("the keeper took everything")
    seen = keeper.log_text().count("tick")
    eventually(lambda: keeper.log_text().count("tick") > seen + 3)
    other = keeper.connect(epoch=2)
    assert other.greet()["state"] == "running"


def test_a_log_that_cannot_be_written_costs_only_the_log(world, tmp_path):
    os.symlink("/dev/full", tmp_path / "full.log")
    keeper, c = world.start(["sh", "-c", "yes | head -c 500000; echo done >&2; exit 4"],
                            log=str(tmp_path / "full.log"), log_max_bytes=4096)
    s = c.wait_state("exited")
    assert s["exit_code"] == "4" and s["tail"].endswith("done\n")


# --- life without poold, and with several ------------------------------------------------------

def test_kill_9_of_the_keeper_ends_the_daemon(world):
    keeper, c = world.start(["sleep", "1000"])
    pid = int(c.status()["pid"])
    os.kill(keeper.pid(), signal.SIGKILL)
    eventually(lambda: not is_alive(pid))
    with open(keeper.lock) as f:  # the lock is free: no life any more
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_places_of_a_killed_keeper_can_be_taken_again(world):
    keeper, c = world.start(["sleep", "1000"])
    pid = int(c.status()["pid"])
    os.kill(keeper.pid(), signal.SIGKILL)
    eventually(lambda: not is_alive(pid))
    assert keeper.start().returncode == 0
    assert keeper.connect().greet()["pid"] != str(pid)


def test_term_to_the_keeper_stops_the_daemon(world):
    keeper, c = world.start(["sleep", "1000"])
    for harmless in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        os.kill(keeper.pid(), harmless)
    assert c.status()["state"] == "running"
    os.kill(keeper.pid(), signal.SIGTERM)
    assert c.wait_state("exited")["stop_reason"] == "terminated"


def test_without_any_poold_the_daemon_is_stopped_after_a_while(world):
    keeper, c = world.start(["sleep", "1000"], orphan_ms=600)
    time.sleep(1)  # longer than the clock: it does not run while a poold is connected
    pid = int(c.status()["pid"])
    observer = keeper.connect(epoch=0)  # which is no poold
    assert observer.greet()["state"] == "running"
    c.send(BYE)
    assert c.is_closed()
    begin = time.monotonic()
    eventually(lambda: not is_alive(pid))
    assert time.monotonic() - begin > 0.4
    assert observer.is_closed()
    assert "(orphaned)" in keeper.log_text()
    eventually(lambda: not os.path.exists(keeper.lock), 5)  # and nobody is waited for


def test_a_newer_poold_takes_over_and_the_older_is_not_obeyed(world):
    keeper, old = world.start(["sleep", "1000"], epoch=3)
    new = keeper.connect(epoch=4)
    assert new.greet()["state"] == "running"
    assert parse(old.expect(SUPERSEDED)[1])["epoch"] == "4"
    assert old.is_closed()
    late = keeper.connect(epoch=3)
    assert parse(late.expect(SUPERSEDED)[1])["epoch"] == "4"
    assert late.is_closed()
    assert new.status()["state"] == "running"


def test_who_is_older_than_the_starter_is_turned_away(world):
    keeper = world.keeper(["sleep", "1000"], epoch=9)
    assert keeper.start().returncode == 0
    c = keeper.connect(epoch=8)
    assert parse(c.expect(SUPERSEDED)[1])["epoch"] == "9"


def test_an_observer_may_ask_but_not_stop(world):
    keeper, c = world.start(["sleep", "1000"])
    observer = keeper.connect(epoch=0)
    observer.greet()
    observer.stop()
    assert observer.status()["state"] == "running"
    assert observer.usage()["processes"] == 1
    again = keeper.connect(epoch=1)  # of the same poold: the newest of its connections is obeyed
    again.greet()
    c.stop()
    assert c.status()["state"] == "running"
    again.stop()
    again.wait_state("exited")


def test_versions_are_negotiated_down(world):
    keeper, _ = world.start(["sleep", "1000"])
    assert keeper.connect(version=99).greet()["version"] == "1"
    for version in (0, -1, "x"):
        with pytest.raises((Closed, ConnectionResetError)):
            keeper.connect(version=version).greet()


def test_unknown_frames_and_keys_are_ignored(world):
    keeper, c = world.start(["sleep", "1000"])
    c.send(500, b"from the future")
    c.send(4, b"shape round\n")
    assert parse(c.expect(STATUS)[1])["state"] == "running"


def test_malformed_peers_are_dropped_and_others_served(world):
    keeper, c = world.start(["sleep", "1000"])
    mute = keeper.connect(hello=False)
    mute.send(4)
    assert mute.is_closed()
    huge = keeper.connect(hello=False)
    huge.socket.sendall(b"\xff" * 16)
    assert huge.is_closed()
    crowd = [keeper.connect(epoch=0) for _ in range(30)]
    assert c.status()["state"] == "running"
    for other in crowd:
        other.close()


def test_a_frame_may_come_in_single_bytes(world):
    keeper, _ = world.start(["sleep", "1000"])
    c = keeper.connect(hello=False)
    hello = Connection.__new__(Connection)
    sent = []
    hello.socket = type("S", (), {"sendall": staticmethod(sent.append)})
    hello.send(1, b"version 1\nepoch 1\n")
    for byte in sent[0]:
        c.socket.sendall(bytes([byte]))
    assert c.greet()["state"] == "running"


# --- stdio servers -----------------------------------------------------------------------------

ECHO = ("import sys\nprint('to the log', file=sys.stderr, flush=True)\n"
        "for line in sys.stdin.buffer:\n"
        "    sys.stdout.buffer.write(b'echo ' + line); sys.stdout.buffer.flush()\n"
        "print('end of input', file=sys.stderr, flush=True)\n")


def test_lines_go_both_ways_with_numbers_and_acknowledgements(world):
    keeper, c = world.python(ECHO, transport="stdio")
    odd = 'a\u2028b\u0085c "d"\r'
    c.send(INPUT, b"one", 1)
    assert c.expect(INPUT_ACK)[0] == 1
    assert c.line() == (1, "echo one")
    c.send(INPUT, odd.encode(), 2)
    assert c.line() == (2, "echo " + odd), "a line ends at a line feed and nowhere else"
    c.send(INPUT, b"one", 1)  # a repetition
    c.send(INPUT, b"three", 3)
    assert c.line() == (3, "echo three")
    c.send(LINE_ACK, sequence=2)
    s = c.status()
    assert (s["lines_sent"], s["lines_acked"], s["lines_lost"]) == ("3", "2", "0")
    assert s["inputs_taken"] == "3"
    wait_output(keeper, "to the log")
    assert "echo" not in keeper.log_text(), "messages are not logged"


def test_lines_wait_for_the_next_poold(world):
    keeper, c = world.python(ECHO, transport="stdio")
    c.send(INPUT, b"1", 1)
    assert c.line() == (1, "echo 1")
    c.send(INPUT, b"2", 2)
    assert c.line() == (2, "echo 2")
    c.send(LINE_ACK, sequence=1)
    c.send(INPUT, b"3", 3)
    assert c.line()[0] == 3
    c.close()  # 2 and 3 were never acknowledged
    new = keeper.connect(epoch=2)
    assert new.greet()["inputs_taken"] == "3"
    assert [new.line(), new.line()] == [(2, "echo 2"), (3, "echo 3")]
    new.send(INPUT, b"4", 4)
    assert new.line() == (4, "echo 4")


def test_more_lines_than_fit_wait_in_the_pipe_and_none_is_lost(world):
    keeper, c = world.python(
        "import sys\nfor i in range(12000): print(i, 'x' * 1000)\nsys.stdout.flush()\n"
        "print('all written', file=sys.stderr, flush=True)\nsys.stdin.read()", transport="stdio")
    c.close()
    observer = keeper.connect(epoch=0)
    observer.greet()
    eventually(lambda: int(observer.status()["lines_sent"]) > 3000)
    assert "all written" not in keeper.log_text(), "12 MB do not fit"
    c = keeper.connect()
    c.greet()
    for i in range(12000):
        sequence, line = c.line()
        assert sequence == i + 1 and line.startswith(f"{i} ")
        if i % 100 == 99:
            c.send(LINE_ACK, sequence=sequence)
    wait_output(keeper, "all written")
    eventually(lambda: c.status()["lines_acked"] == "12000")
    assert c.status()["lines_lost"] == "0"


def test_of_a_line_that_no_frame_can_hold_start_and_end_are_told(world):
    keeper, c = world.python(
        "import sys\nsys.stdout.write('start' + 'a' * (17 << 20) + 'end\\nshort\\n' + 'b' * (5 << 20) + '\\n')\n"
        "sys.stdout.flush()\nsys.stdin.read()", transport="stdio")
    assert c.line(60) == (1, "start" + "a" * 1019 + "\n" + "a" * 1021 + "end")
    assert c.line(60) == (2, "short")
    c.send(LINE_ACK, sequence=2)
    assert c.line(60) == (3, "b" * (5 << 20)), "one line may be bigger than the window"
    assert c.status()["lines_lost"] == "1"


def test_the_last_lines_come_before_the_exit(world):
    keeper, c = world.python("import sys\nprint('x' * 500000)\nsys.stdout.write('no end')",
                             transport="stdio")
    assert c.line()[0] == 1
    assert c.line() == (2, "no end")
    assert c.wait_state("exited")["exit_code"] == "0"


def test_the_stop_of_a_stdio_server_that_reads_nothing(world):
    keeper, c = world.python(DEAF + "import time\nprint('x', flush=True)\n"
                             "while True: time.sleep(1)", transport="stdio")
    assert c.line() == (1, "x")
    for i in range(30):
        c.send(INPUT, b"y" * 100000, i + 1)
    c.stop(grace_ms=300)
    assert c.wait_state("exited")["exit_signal"] == "9"


def test_who_passes_the_window_is_dropped(world):
    keeper, c = world.python("import time\ntime.sleep(1000)", transport="stdio")
    with pytest.raises((Closed, ConnectionError)):
        for i in range(400):
            c.send(INPUT, b"y" * 100000, i + 1)
        c.receive()
    assert keeper.connect(epoch=2).greet()["state"] == "running"


# --- the holder --------------------------------------------------------------------------------

HELD = """
import os, signal, socket, sys
names = os.environ['LISTEN_FDNAMES'].split(':')
assert int(os.environ['LISTEN_PID']) == os.getpid()
assert int(os.environ['LISTEN_FDS']) == len(names) == 2
end = int(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: os._exit(end))
signal.signal(signal.SIGHUP, lambda *_: print('hup', flush=True))
listener = socket.socket(fileno=3 + names.index('front'))
while True:
    c, _ = listener.accept()
    c.sendall(b'%d' % os.getpid())
    c.close()
"""


class Holder:
    def __init__(self, folder, code=HELD, argument="0"):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        other = socket.socket(socket.AF_UNIX)
        other.bind(os.path.join(folder, "api.sock"))
        other.listen()
        self.address = self.listener.getsockname()
        argv = [program("poold-keeper"), "hold", "--run-dir", str(folder), "--fd-names",
                "api:front", "--", sys.executable, "-c", code, argument]

        def place():
            a, b = os.dup(other.fileno()), os.dup(self.listener.fileno())
            os.dup2(a, 3)
            os.dup2(b, 4)
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=place, pass_fds=(3, 4))
        self.listener.close()  # the holder alone has it now
        other.close()

    def ask(self, timeout=30):
        """Connect; the pid that answered, or None if it died with the connection in its hands."""
        with socket.create_connection(self.address, timeout=timeout) as s:
            try:
                answer = s.recv(100)
            except ConnectionResetError:
                return None
            return int(answer) if answer else None

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
def held(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Holder(tmp_path, *args, **kwargs))
        return made[-1]
    yield make
    for holder in made:
        if holder.process.poll() is None:
            holder.end()


def test_no_connection_is_refused_while_the_held_program_is_killed_in_a_loop(held):
    holder = held()
    refused, answered, stop = [], [], threading.Event()

    def client():
        while not stop.is_set():
            try:
                answered.append(holder.ask())
            except OSError as e:
                refused.append(e)
    threads = [threading.Thread(target=client) for _ in range(2)]
    for t in threads:
        t.start()
    pids = set()
    try:
        for _ in range(5):
            pid = eventually(holder.ask)
            pids.add(pid)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not is_alive(pid))
        pids.add(eventually(holder.ask))
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert refused == [] and set(answered) & pids
    assert len(pids) == 6
    code, _, err = holder.end()
    assert code == 0
    assert err.count("started again") == 5 and "signal=9" in err


@pytest.mark.parametrize("code", [0, 2, 8, 9, 10, 11])
def test_an_end_that_is_meant_is_not_restarted(held, code):
    holder = held(code=f"raise SystemExit({code})")
    out, err = holder.process.communicate(timeout=30)
    assert holder.process.returncode == code and err == b""


def test_an_unexpected_code_is_restarted_with_growing_pauses(held, tmp_path):
    marks = tmp_path / "starts"
    holder = held(code=f"import time\nopen({str(marks)!r}, 'a').write(f'{{time.monotonic()}}\\n')\n"
                  "raise SystemExit(1)")
    lines = [holder.process.stderr.readline().decode() for _ in range(6)]
    pauses = [int(line.rpartition("pause_ms=")[2]) for line in lines]
    assert pauses == [0, 50, 100, 200, 400, 800]
    assert holder.end()[0] == 0, "TERM during a pause is a clean end"
    times = [float(t) for t in marks.read_text().split()]
    assert times[5] - times[4] >= 0.4


def test_term_is_passed_on_and_the_end_is_waited_for(held):
    holder = held(argument="5")
    pid = holder.ask()
    os.kill(holder.process.pid, signal.SIGHUP)
    assert holder.process.stdout.readline() == b"hup\n"
    code, _, err = holder.end(signal.SIGTERM)
    assert code == 5 and err == "" and not is_alive(pid)


def test_a_second_holder_says_already_running(held, tmp_path):
    holder = held()
    holder.ask()
    second = subprocess.run([program("poold-keeper"), "hold", "--run-dir", str(tmp_path),
                             "--fd-names", "", "--", "true"], capture_output=True, timeout=30)
    assert second.returncode == 8
    assert b"already running, pid %d" % holder.process.pid in second.stderr


@pytest.mark.parametrize("arguments", [[], ["--run-dir", "/tmp"], ["--what", "x", "--", "true"],
                                       ["--run-dir", "/tmp", "--fd-names", "a:b:c", "--", "true"]])
def test_a_command_line_that_makes_no_sense_is_refused(arguments):
    done = subprocess.run([program("poold-keeper"), "hold", *arguments], capture_output=True,
                          timeout=30)
    assert done.returncode == 2 and b"usage: poold-keeper hold" in done.stderr


def test_a_program_that_does_not_exist_is_said_at_once(tmp_path):
    done = subprocess.run([program("poold-keeper"), "hold", "--run-dir", str(tmp_path),
                           "--fd-names", "", "--", "/nonexistent/poold"], capture_output=True,
                          timeout=30)
    assert done.returncode == 1 and b"/nonexistent/poold" in done.stderr
