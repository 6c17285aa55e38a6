"""The official conformance suites say the same through the front as directly, check by check.

The fixture (conformance/server.mjs) passes every check of both suites in each revision they know. So whatever
fails through the front is the front's own doing.
"""
import functools
import os
import tempfile

import pytest

from conformance_suite import (everything_command, failing, fixture_command, free_port, run_suite, running)
from conftest import HERE, make_project, pool_of_its_own

# Suite, revision, how many scenarios and how many checks it has there: the table of docs/conformance.md.
LEGS = [
    ("0.1", "2025-06-18", 26, 26),
    ("0.1", "2025-11-25", 32, 47),
    ("0.2", "2025-03-26", 1, 3),
    ("0.2", "2025-06-18", 27, 56),
    ("0.2", "2025-11-25", 33, 84),
    ("0.2", "2026-07-28", 40, 136),
]
# Checks that are no verdict through the front: lists come from memory, as JSON, so there is no stream to judge; and
# a stream that the daemon closes in the middle of a call is gone on with by the front, its client's is never closed.
NO_VERDICT = {"server-sse-streams-functional", "server-sse-disconnect-resume"}
# How the fixture runs behind the front, and what that takes away: a stdio server has no streams to close, and one
# that all clients share cannot ask one of them (docs/conformance.md).
NO_STREAM = {"server-sse-priming-event", "server-sse-retry-field"}
NO_ASKING = {"tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults",
             "elicitation-sep1330-enums"}
# A stdio daemon is spoken to by sessions, where there is no input_required and no parameter in a header.
NO_ASKING |= {f"input-required-result-{what}" for what in (
    "basic-elicitation", "basic-list-roots", "basic-sampling", "capability-check", "missing-input-response", "multi-round",
    "multiple-input-requests", "non-tool-request", "request-state", "result-type", "tampered-state", "validate-input")}
NO_ASKING |= {"http-custom-header-server-validation"}
# And where it says that its lists have changed although they have not, nobody is told.
NO_CHANGE = {"sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400",
             "sep-2575-server-sends-prompts-list-changed-on-subscription",
             "sep-2575-server-sends-tools-list-changed-on-subscription"}
BEHIND = {"http": (set(), set()), "stdio": (NO_STREAM | NO_CHANGE, NO_ASKING), "private": (NO_STREAM, set())}
FULL = {"0.1": "0.1.16", "0.2": "0.2.0-alpha.12"}
each_leg = pytest.mark.parametrize("suite, revision, scenarios, checks", LEGS)
# A private daemon is started for each of a leg's thirty sessions: one leg is enough.
WAYS = [(way, *leg[:2]) for way in BEHIND for leg in LEGS if way != "private" or leg[:2] == ("0.2", "2025-11-25")]


def server_entry(command, **more):
    return {"command": command[0], "args": command[1:], **more}


def worse(directly, through, without=frozenset(), unasked=frozenset()):
    """The checks that passed directly and do not through the front; some checks and scenarios are left out."""
    passed = {(scenario, check) for (scenario, check), (verdict, _) in directly.items()
              if verdict == "SUCCESS" and scenario not in unasked and check not in without}
    missing = [f"{scenario}: {check}: not there" for scenario, check in passed - through.keys()
               if check not in NO_VERDICT]
    return missing + failing({check: through[check] for check in passed & through.keys()})


@pytest.fixture(scope="module")
def directly():
    """verdicts(suite, revision) of the fixture itself; each leg runs once."""
    with tempfile.TemporaryDirectory(prefix="poold-") as root:
        port = free_port()
        with running([*fixture_command(root), "--port", port], port):
            @functools.cache
            def verdicts(suite, revision):
                return run_suite(suite, f"http://127.0.0.1:{port}/mcp", f"{root}/{suite}-{revision}", revision)
            yield verdicts


@pytest.fixture(scope="module")
def front(request):
    """(pool, {way: url}) of a front with the fixture behind it in every way."""
    with pool_of_its_own(request.config) as pool:
        command = fixture_command(pool.root)
        pool.configure({"http": server_entry([*command, "--port", "${POOLD_PORT}"], type="http"),
                        "stdio": server_entry([*command, "--stdio"], type="stdio"),
                        "private": server_entry([*command, "--stdio"], type="stdio", share="session", spares=2)})
        project = make_project(pool)
        yield pool, {way: pool.ctl("ensure", project, "--server", way).stdout.strip() for way in BEHIND}


@each_leg
def test_the_fixture_passes_every_check_directly(directly, suite, revision, scenarios, checks):
    verdicts = directly(suite, revision)
    assert not failing(verdicts)
    assert (len({scenario for scenario, _ in verdicts}), len(verdicts)) == (scenarios, checks)
    row = f"| {FULL[suite]} | {revision} | {scenarios} | {checks} |"
    assert row in (HERE.parent.parent / "docs" / "conformance.md").read_text()


@pytest.mark.parametrize("way, suite, revision", WAYS)
def test_every_check_that_passes_directly_passes_through_the_front(directly, front, way, suite, revision):
    pool, urls = front
    through = run_suite(suite, urls[way], pool.root / f"{way}-{suite}-{revision}", revision)
    assert not worse(directly(suite, revision), through, *BEHIND[way])


def test_a_real_server_passes_over_each_of_its_transports_what_it_passes_directly(pool, project):
    """The reference server "everything" passes about two thirds of the checks: it offers few of the fixture's tools."""
    a, port, names = project(), free_port(), {"http": "streamableHttp", "sse": "sse", "stdio": "stdio"}
    pool.configure({way: server_entry([*everything_command(), name], type=way, share="project",
                                      **({} if way == "stdio" else {"env": {"PORT": "${POOLD_PORT}"}}))
                    for way, name in names.items()})
    with running([*everything_command(), "streamableHttp"], port, env={**os.environ, "PORT": str(port)}):
        directly = run_suite("0.2", f"http://127.0.0.1:{port}/mcp", pool.root / "directly", "2025-11-25")
    for way in names:
        url = pool.ctl("ensure", a, "--server", way).stdout.strip()
        through = run_suite("0.2", url, pool.root / way, "2025-11-25")
        assert not worse(directly, through, NO_STREAM), way


@pytest.mark.parametrize("scenario", ["dns-rebinding-protection", "server-session-lifecycle"])
def test_what_the_front_answers_for_passes_whatever_the_server(pool, project, scenario):
    """The reference server "everything" checks neither Host nor Origin; the front does it in its place."""
    a = project()
    pool.configure({"everything": server_entry([*everything_command(), "streamableHttp"], type="http",
                                               env={"PORT": "${POOLD_PORT}"})})
    url = pool.ctl("ensure", a).stdout.strip()
    assert not failing(run_suite("0.2", url, pool.root / "through", "2025-11-25", scenario))
