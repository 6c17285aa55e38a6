"""GET /metrics, read by Prometheus' own parser."""
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import wait_until
from mcp_client import Client
from test_api import Answer, SERVERS, api, slot  # noqa: F401  (a fixture)


def scrape(api, front=True):
    """{name: family}; each sample {(name, labels...): value} in .values."""
    c = api.connection(front)
    c.request("GET", "/metrics")
    answer = Answer(c.getresponse())
    c.close()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    api.contract().check("GET", "/metrics", answer)
    families = {}
    for family in text_string_to_metric_families(answer.bytes.decode()):
        assert family.name not in families, f"{family.name} is there twice"
        family.values = {(s.name, *sorted(s.labels.items())): s.value for s in family.samples}
        assert len(family.values) == len(family.samples), f"{family.name} has a sample twice"
        families[family.name] = family
    return families


def value(families, name, **labels):
    return families[name.removesuffix("_total")].values[(name, *sorted(labels.items()))]


def count(families, name):
    return families[name].values[(name + "_count",)]


@pytest.mark.parametrize("front", [False, True])
def test_names_follow_the_conventions(api, front):
    families = scrape(api, front)
    for name, family in families.items():
        assert name.startswith(("poold_", "process_")), name
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), name
        assert not any(unit in name for unit in ("_ms", "_mib", "_kib", "millis")), name
        assert family.type != "histogram" or name.endswith("_seconds"), name
        for s in family.samples:
            assert family.type != "counter" or s.name.endswith("_total"), s
    assert value(families, "poold_build_info", version=api.get("/version")["version"]) == 1
    assert value(families, "process_resident_memory_bytes") > 1_000_000
    assert value(families, "process_start_time_seconds") > 1_700_000_000


def test_a_histogram_is_one(api, project):
    api.ensure(project())
    for name, family in scrape(api).items():
        if family.type != "histogram":
            continue
        buckets = [(float(s.labels["le"]), s.value) for s in family.samples if s.name == name + "_bucket"]
        assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets)
        assert buckets[-1] == (float("inf"), count({name: family}, name))


def test_starts_and_stops_are_counted_by_outcome_and_reason(api, project):
    path = project()
    d = api.ensure(path)
    api.ensure(path, 502, server="fails")
    m = scrape(api)
    assert value(m, "poold_daemon_starts_total", outcome="ready") == 1
    assert value(m, "poold_daemon_starts_total", outcome="failed") == 1
    assert value(m, "poold_daemons", state="ready") == value(m, "poold_daemons", state="failed") == 1
    assert count(m, "poold_daemon_start_duration_seconds") == 1
    took = m["poold_daemon_start_duration_seconds"].values[("poold_daemon_start_duration_seconds_sum",)]
    assert abs(took - d["steps"]["handshakeMs"] / 1000) < 0.1
    api.post(slot(d) + "/evict")
    hanging = api.ensure(path, server="hangs", noWait=True)
    api.post(slot(hanging) + "/stop", {"now": True})
    m = scrape(api)
    assert value(m, "poold_daemon_stops_total", reason="evicted") == 1
    assert sum(s.value for s in m["poold_daemon_stops"].samples) == 1
    assert value(m, "poold_daemon_starts_total", outcome="stopped") == 1
    assert value(m, "poold_projects") == 1 and value(m, "poold_daemons", state="down") == 2


def test_evictions_for_want_of_use_are_counted(api, project):
    api.pool.configure(SERVERS, idleSeconds=1)
    api.post("/reload")
    api.ensure(project())
    wait_until(lambda: value(scrape(api), "poold_daemon_stops_total", reason="idle") == 1, "it goes")


def test_calls_and_sessions_are_counted_and_timed(api, project):
    d = api.ensure(project())
    client = Client(d["url"]).open()
    before = scrape(api)
    for _ in range(5):
        client.call("echo", text="x")
    client.call("slow", seconds=0.3)
    with ThreadPoolExecutor(1) as other:
        call = other.submit(lambda: client.call("slow", seconds=1))
        wait_until(lambda: value(scrape(api), "poold_flights") == 1, "it is under way")
        call.result()
    m = scrape(api)
    assert value(m, "poold_calls_total", outcome="answered") - value(before, "poold_calls_total", outcome="answered") == 7
    assert value(m, "poold_flights") == 0 and value(m, "poold_sessions", transport="http") == 1
    assert value(m, "poold_session_changes_total", change="opened") == 1
    assert value(m, "poold_handshakes_total", how="new") == 1
    assert count(m, "poold_call_duration_seconds") - count(before, "poold_call_duration_seconds") == 7
    assert count(m, "poold_call_handover_seconds") - count(before, "poold_call_handover_seconds") == 7

    def total(name):
        return m[name].values[(name + "_sum",)] - before[name].values[(name + "_sum",)]
    assert 1.3 <= total("poold_call_duration_seconds") < 5
    assert 0 < total("poold_call_handover_seconds") < 0.5  # the daemon's time is not in it
    assert value(m, "poold_connections") >= 1 and count(m, "poold_loop_turn_seconds") > 10


def test_a_call_that_waits_for_a_start_shows_in_the_hand_over(api, project):
    d = api.ensure(project())
    client = Client(d["url"]).open()
    api.post(slot(d) + "/stop")
    assert client.call("echo", text="x") == "x"
    m = scrape(api)
    name = "poold_call_handover_seconds"
    assert m[name].values[(name + "_sum",)] > 0.05


def test_calls_that_poold_answers_with_an_error_are_failed(api, project):
    d = api.ensure(project())
    client = Client(d["url"]).open()
    with pytest.raises(Exception, match="ended before"):
        client.call("crash")
    assert value(scrape(api), "poold_calls_total", outcome="failed") == 1


def test_after_a_restart_daemons_are_adopted_and_handshakes_reused(api, project):
    d = api.ensure(project())
    client = Client(d["url"]).open()
    client.call("echo", text="x")
    client.close()
    api.pool.kill()
    assert client.call("echo", text="again") == "again"
    m = scrape(api)
    assert value(m, "poold_daemon_starts_total", outcome="adopted") == 1
    assert value(m, "poold_daemon_starts_total", outcome="ready") == 0
    assert value(m, "poold_session_changes_total", change="taken-back") == 1
    assert value(m, "poold_handshakes_total", how="reused") == 1
    assert value(m, "poold_handshakes_total", how="new") == 0


def test_memory_of_trees_is_given_by_daemon(api, project):
    d = api.ensure(project())

    def known():
        m = scrape(api)
        return m["poold_daemon_memory_bytes"].samples
    samples = wait_until(known, "memory was looked at")
    assert len(samples) == 1 and samples[0].value > 1_000_000
    assert samples[0].labels == {"project": d["projectKey"], "server": "fake", "daemon_instance": "0"}


def test_an_idle_loop_is_not_woken_to_be_measured(api, project):
    """Between two scrapes of an idle poold hardly a turn of the loop happens."""
    import time
    scrape(api)
    before = count(scrape(api), "poold_loop_turn_seconds")
    time.sleep(3)
    assert count(scrape(api), "poold_loop_turn_seconds") - before < 40
