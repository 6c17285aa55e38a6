"""The registry under hard conditions: poold serves on, says what is wrong, and has it whole again afterwards."""
import json
import os
import sqlite3
import subprocess
from contextlib import closing, contextmanager

import pytest

from conftest import BIN, wait_until
from mcp_client import Client

REGISTRY = 10


def open_client(pool, path, **kw):
    return Client(pool.url + "/mcp", {"X-Poold-Project": str(path)}, **kw).open()


def health(pool):
    """What /health says of poold."""
    client = Client(pool.url)
    client.connection.request("GET", "/api/v1/health")
    answer = json.loads(client.connection.getresponse().read())
    client.close()
    return answer


def is_whole(pool, seconds=15):
    wait_until(lambda: health(pool)["registry"] == "ok", "the registry is healed", seconds)


def rows(pool, sql):
    with closing(sqlite3.connect(pool.state / "registry.db")) as db:
        return db.execute(sql).fetchall()


@pytest.fixture
def small_disk(pool):
    """The state directory is a file system of 1.5 MB; fill() takes what is left, free() gives it back."""
    pool.state.mkdir(mode=0o700)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1536k,mode=700", "none", pool.state], capture_output=True)
    if made.returncode:
        pytest.skip("needs the right to mount")

    class Disk:
        ballast = pool.state / "ballast"

        def fill(self):
            with open(self.ballast, "ab", buffering=0) as f:
                for size in (65536, 4096, 1):
                    try:
                        while True:
                            f.write(b"x" * size)
                    except OSError:
                        pass

        def free(self):
            self.ballast.unlink()
    yield Disk()
    pool.close()
    subprocess.run(["umount", "-l", pool.state], check=True)


def test_a_full_disk_while_running(pool, project, small_disk):
    a, b = project("a"), project("b")
    pool.start()
    client = open_client(pool, a)
    pid = client.whoami()["pid"]
    small_disk.fill()
    pool.ctl("ensure", b)  # a new project, a new daemon: not one row can be written
    assert open_client(pool, b).call("echo", text="b") == "b"
    assert client.whoami()["pid"] == pid
    ill = wait_until(lambda: (lambda h: h if h["registry"] == "failed" else None)(health(pool)), "health says so")
    assert ill["status"] == "degraded" and "full" in ill["registryProblem"]
    assert "full" in pool.ctl("status").stdout
    assert {d["state"] for d in pool.json("list")} == {"ready"}
    small_disk.free()
    is_whole(pool)
    assert sorted(r for r, in rows(pool, "SELECT root FROM project")) == [str(a), str(b)]
    assert {s for s, in rows(pool, "SELECT state FROM daemon")} == {"ready"}
    d = pool.daemon(b)
    pool.kill()
    assert pool.daemon(b)["daemonId"] == d["daemonId"]


def test_a_disk_that_is_full_when_poold_comes_up(pool, project, small_disk):
    a = project("a")
    pool.start()
    pool.ctl("ensure", a)
    pool.ctl("trust", "--yes", a)
    pool.ctl("pin", a)
    d = pool.daemon(a)
    pool.ctl("shutdown", "--keep-daemons")
    wait_until(lambda: not (pool.run / "poold.pid").exists(), "poold is gone")
    small_disk.fill()
    pool.ctl("ensure", a)
    again = pool.daemon(a)
    assert again["daemonId"] == d["daemonId"] and again["pid"] == d["pid"]
    assert open_client(pool, a).call("echo", text="x") == "x"
    small_disk.free()
    pool.ctl("ensure", project("b"))
    is_whole(pool)
    again = pool.daemon(a)
    assert again["pinned"] and again["trusted"] and again["daemonId"] == d["daemonId"]
    assert not list(pool.state.glob("*damaged*"))
    assert len(rows(pool, "SELECT * FROM project")) == 2


@contextmanager
def no_registry_file(pool):
    """Something that cannot be opened stands in the registry's place."""
    file = pool.state / "registry.db"
    kept = [(f, f.with_name("kept-" + f.name)) for f in pool.state.glob("registry.db*")]
    for f, k in kept:
        f.rename(k)
    file.mkdir()
    yield
    file.rmdir()
    for f, k in kept:
        k.rename(f)


def test_a_registry_that_cannot_be_opened_is_done_without_until_it_can(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    pool.ctl("ensure", a)
    pool.ctl("ensure", b)
    pool.ctl("trust", "--yes", a)
    pool.ctl("pin", a)
    d = pool.daemon(a)
    pool.ctl("stop", b)
    pool.ctl("shutdown", "--keep-daemons")
    with no_registry_file(pool):
        pool.ctl("ensure", a)
        assert pool.daemon(a)["daemonId"] == d["daemonId"] and not pool.daemon(a)["trusted"]
        ill = health(pool)
        assert ill["status"] == "degraded" and "registry.db" in ill["registryProblem"]
        assert "goes on without it" in pool.log_tail()
        assert pool.ctl("history", a, check=False).returncode == REGISTRY
        assert pool.ctl("trust", "--yes", b, check=False).returncode == REGISTRY
        pool.ctl("ensure", project("c"))
    is_whole(pool)
    again = pool.daemon(a)
    assert again["trusted"] and again["pinned"] and again["daemonId"] == d["daemonId"]
    assert pool.daemon(b)["state"] == "down" and pool.daemon(b)["reason"] == "asked"
    assert len(rows(pool, "SELECT * FROM project")) == 3


@pytest.mark.parametrize("which", ["registry.db", "registry.db*"])
def test_files_removed_while_running_are_written_anew(pool, project, which):
    a, b = project("a"), project("b")
    pool.start()
    client = open_client(pool, a)
    pid = client.whoami()["pid"]
    pool.ctl("trust", "--yes", a)
    port = pool.daemon(a)["port"]
    for f in pool.state.glob(which):
        f.unlink()
    pool.ctl("ensure", b)
    is_whole(pool)
    wait_until(lambda: (pool.state / "registry.db").exists(), "there is a file again")
    assert client.whoami()["pid"] == pid
    assert sorted(rows(pool, "SELECT root, is_trusted FROM project")) == [(str(a), 1), (str(b), 0)]
    assert (port,) in rows(pool, "SELECT port FROM port_lease")
    d = pool.daemon(a)
    pool.kill()
    assert pool.daemon(a)["daemonId"] == d["daemonId"]


def overwrite(file):
    """All pages but the first become garbage."""
    with open(file, "r+b") as f:
        f.seek(4096)
        f.write(b"\xa5" * (max(file.stat().st_size, 65536) - 4096))


def test_damage_while_running_is_put_aside_and_written_anew(pool, project):
    a, b = project("a"), project("b")
    pool.start()
    client = open_client(pool, a)
    pid = client.whoami()["pid"]
    pool.kill()  # the next one reads from the file
    pool.kill()
    client.connection.close()
    with closing(sqlite3.connect(pool.state / "registry.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(pool.state / "registry.db")
    pool.ctl("ensure", b)
    pool.ctl("history", check=False)
    wait_until(lambda: list(pool.state.glob("registry.db.damaged-*")), "it is put aside")
    is_whole(pool)
    assert "put aside" in pool.log_tail() and "registry.db.damaged-" in pool.log_tail()
    assert client.whoami()["pid"] == pid
    assert sorted(r for r, in rows(pool, "SELECT root FROM project")) == [str(a), str(b)]


def test_damage_while_poold_was_away_is_rebuilt_from_the_keepers(pool, project):
    a, b = project("a"), project("b")
    pool.ctl("ensure", a)
    pool.ctl("ensure", b)
    before = {d["daemonId"]: d["pid"] for d in pool.json("list")}
    pool.ctl("shutdown", "--keep-daemons")
    (pool.state / "registry.db").write_bytes(b"no database at all\n" * 999)
    pool.ctl("ensure", a)
    wait_until(lambda: {d["daemonId"]: d["pid"] for d in pool.json("list")} == before, "both are adopted")
    aside = list(pool.state.glob("registry.db.damaged-*"))
    assert len(aside) == 1 and aside[0].name in pool.log_tail()
    wait_until(lambda: len(rows(pool, "SELECT * FROM daemon")) == 2, "rebuilt")
    assert [d["generation"] for d in pool.json("list")] == [1, 1]


def refusal(pool, path):
    done = pool.ctl("ensure", path, check=False)
    assert done.returncode == REGISTRY, done
    direct = subprocess.run([BIN / "poold"], env=pool.env, capture_output=True, text=True, timeout=20)
    assert direct.returncode == REGISTRY
    return done.stderr, direct.stderr


def test_a_newer_schema_is_refused_with_both_versions(pool, project):
    pool.ctl("ensure", project())
    pool.ctl("shutdown")
    (version,), = rows(pool, "PRAGMA user_version")
    with closing(sqlite3.connect(pool.state / "registry.db")) as db:
        db.execute(f"PRAGMA user_version = {version + 1}")
    for said in refusal(pool, pool.home / "repo"):
        assert f"schema version {version + 1}" in said and f"up to {version}" in said and "registry.db" in said
    assert not list(pool.state.glob("*damaged*"))


def test_a_database_of_another_program_is_refused(pool, project):
    pool.state.mkdir(mode=0o700)
    with closing(sqlite3.connect(pool.state / "registry.db")) as db:
        db.execute("CREATE TABLE theirs (x)")
    for said in refusal(pool, project()):
        assert "another program" in said
    assert rows(pool, "SELECT name FROM sqlite_schema") == [("theirs",)]


def test_the_tables_explain_themselves(pool, project):
    pool.ctl("ensure", project())
    schema = "\n".join(sql for sql, in rows(pool, "SELECT sql FROM sqlite_schema WHERE type = 'table'") if sql)
    for table in ("project", "daemon", "port_lease", "session", "history"):
        assert f"CREATE TABLE {table}" in schema
    assert schema.count("STRICT") >= 5 and schema.count("--") + schema.count("/*") >= 20
    assert os.stat(pool.state / "registry.db").st_mode & 0o777 == 0o600
