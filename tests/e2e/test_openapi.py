"""openapi.json: a valid document, true of the implementation (schemathesis), enough to make a client
from (openapi-python-client), and all that poolctl uses."""
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contract import Contract
from test_api import api, slot  # noqa: F401  (a fixture)

TOOLS = Path(sys.executable).parent
CLI = Path(__file__).resolve().parents[2] / "cli"

# What a schema cannot say: `path` or `project` in a query, not both. And a log is not followed here.
RULES = """
[[operations]]
include-operation-id = "logs"
parameters = { follow = "false"%s }
checks = { positive_data_acceptance.enabled = false }
[[operations]]
include-operation-id-regex = "^(endpoint|history|why)$"
checks = { positive_data_acceptance.enabled = false }
"""
# The same on a project that there is. A wait of 0 ms rightly ends with 504.
THERE = """
[[operations]]
include-path-regex = "/daemons/"
parameters = { key = "%s", server = "fake" }
[[operations]]
include-operation-id = "daemonRestart"
checks = { not_a_server_error.expected-statuses = ["2xx", "4xx", 504] }
"""


# The front refuses TRACE and the like for all paths alike: its Allow names what there is on any of them.


def schemathesis(api, tmp_path, rules, *options):
    (tmp_path / "schemathesis.toml").write_text(rules)
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}
    done = subprocess.run(
        [TOOLS / "schemathesis", "run", api.pool.url + "/api/v1/openapi.json", "--exclude-operation-id", "shutdown",
         "--exclude-operation-id", "events", "--exclude-checks", "unsupported_method,allow_header_conformance", "--phases",
         "coverage,fuzzing", "--seed", "1", "--request-timeout", "30", "--no-color", *options],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases and cases[1] == cases[2], done.stdout[-3000:]
    return int(cases[1])


def test_the_document_is_valid_openapi_3_1(api):
    document = api.get("/openapi.json")
    assert document["openapi"].startswith("3.1.")
    assert not list(OpenAPIV31SpecValidator(document).iter_errors())
    assert document["servers"][0]["url"] == api.pool.url
    names = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert len(names) == len(set(names)) > 20


def test_every_shape_is_used_and_every_reference_is_there(api):
    text = json.dumps(api.get("/openapi.json"))
    schemas = set(json.loads(text)["components"]["schemas"])
    used = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert used <= schemas
    # a line of a stream has no place in OpenAPI 3.1; those are named in descriptions
    assert schemas - used == {n for n in schemas if n.startswith("Event")} | {"Progress"}


def test_the_contract_can_fail(api):
    document = api.get("/openapi.json")
    del document["components"]["schemas"]["Version"]["properties"]["runDir"]
    with pytest.raises(AssertionError, match="runDir"):
        Contract(document).check("GET", "/api/v1/version", api.ask("GET", "/version"))
    document["components"]["schemas"]["ServiceHealth"]["required"].append("soul")
    with pytest.raises(AssertionError, match="soul"):
        Contract(document).check("GET", "/api/v1/health", api.ask("GET", "/health"))


def test_the_implementation_keeps_to_it_whatever_is_sent(api, tmp_path):
    assert schemathesis(api, tmp_path, RULES % "", "--max-examples", "40") > 500


def test_the_implementation_keeps_to_it_on_a_running_daemon(api, project, tmp_path):
    d = api.ensure(project())
    rules = RULES % f', project = "{d["projectKey"]}"' + THERE % d["projectKey"]
    assert schemathesis(api, tmp_path, rules, "--include-path-regex", "/daemons|/logs|/projects$|/metrics",
                        "--max-examples", "10", "--mode", "positive") > 30
    assert api.get(slot(d))["projectKey"] == d["projectKey"]


def test_a_generated_client_drives_it(api, project, tmp_path, monkeypatch):
    (tmp_path / "openapi.json").write_text(json.dumps(api.get("/openapi.json")))
    made = subprocess.run(
        [TOOLS / "openapi-python-client", "generate", "--path", "openapi.json", "--meta", "none", "--output-path",
         "poold_client"], cwd=tmp_path, env={**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "arning" not in made.stdout, made.stdout
    monkeypatch.syspath_prepend(tmp_path)

    def operation(name):
        return importlib.import_module(f"poold_client.api.default.{name}").sync

    models = importlib.import_module("poold_client.models")
    client = importlib.import_module("poold_client").Client(base_url=api.pool.url, timeout=60)
    d = operation("ensure")(client=client, body=models.EnsureBody(path=str(project()), wait_ms=30000))
    assert d.state == models.State.READY and d.health.mcp == models.Layer.OK and d.pid > 0
    assert [x.daemon_id for x in operation("daemons")(client=client)] == [d.daemon_id]
    full = operation("daemon")(d.project_key, d.server, client=client)
    assert full.clients == [] and full.steps.handshake_ms >= 0
    refused = operation("ensure")(client=client, body=models.EnsureBody(path="/"))
    assert isinstance(refused, models.Problem) and refused.code == models.Code.NO_PROJECT
    body = models.DaemonStopBody(now=True)
    stopped = operation("daemon_stop")(d.project_key, d.server, client=client, body=body)
    assert stopped.state == models.State.DOWN and stopped.reason == models.Reason.ASKED
    assert {h.event for h in operation("history")(client=client)} == set("start ready end".split())
    gone = operation("project_forget")(d.project_key, client=client, body=models.ProjectForgetBody())
    assert gone.forgotten == d.project_key and operation("projects")(client=client) == []


def test_poolctl_uses_only_what_the_document_has(api):
    """Each path in a string of cli/ is one of the document's; WORD and %s stand for variables."""
    paths = {re.sub(r"\{\w+\}", "%s", p.removeprefix("/api/v1")) for p in api.get("/openapi.json")["paths"]}
    tails = {p.rsplit("/", 1)[1] for p in paths if p.startswith("/daemons/%s/%s/")}
    called = set()
    for file in CLI.glob("*.c"):
        text = file.read_text()
        # what goes to the client's functions, and what is made for them
        called |= set(re.findall(r'call_(?:get|api|stream)\(cli,(?: "[A-Z]+",)? "(/[^"?]*)', text))
        called |= set(re.findall(r'\btarget = (?:ok \? )?xasprintf\("(/[^"?]*)', text))
        called |= {"/daemons/%s/%s" + t for t in re.findall(r'(?:\.tail = |target_slot\([^"]*)"(/\w+)"', text)}
        called |= set(re.findall(r'API_PREFIX "(/[^"?]*)', text))
    called = {c.removesuffix("%s") if c.endswith("%s%s") else c for c in called}
    assert {"/ensure", "/health", "/daemons/%s/%s", "/projects/%s", "/endpoint", "/stop"} <= called
    assert called <= paths, called - paths
    assert {"stop", "restart", "evict", "pin"} <= tails
