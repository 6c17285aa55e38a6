"""Lean lists: three tools in the place of all, under /lean or by the server's own entry."""
import json

import pytest

from conftest import fake_server, serena_dir, wait_until
from mcp_client import Client, RpcError, Stream

NAMES = ["search_tools", "describe_tool", "call_tool"]


def names(client):
    return [t["name"] for t in client.request("tools/list")["tools"]]


@pytest.fixture(params=["/lean/mcp", "config"])
def lean(pool, project, request):
    """A client that sees the three tools, by URL or by the configuration."""
    pool.configure({"fake": fake_server(lean=request.param == "config")})
    url = pool.ctl("ensure", project("a")).stdout.strip()
    return Client(url if request.param == "config" else url.replace("/mcp", "/lean/mcp")).open()


def test_the_list_is_three_tools_and_the_instructions_say_what_they_are_for(lean):
    assert names(lean) == NAMES
    assert "search_tools" in lean.initialized["instructions"]


def test_a_tool_is_found_described_and_called_through_them(lean):
    assert "- whoami()" in lean.call("search_tools", query="whoami")
    assert json.loads(lean.call("describe_tool", name="echo"))["name"] == "echo"
    assert lean.call("call_tool", name="echo", arguments={"text": "h\u00e9"}) == "h\u00e9"
    assert json.loads(lean.call("call_tool", name="calls")) == ["echo", "calls"], "only real calls reach the daemon"


def test_a_call_keeps_its_progress_and_its_own_id(lean):
    result = lean.request("tools/call", {"name": "call_tool", "arguments": {"name": "slow", "arguments": {
        "seconds": 0.1, "steps": 2}}, "_meta": {"progressToken": "p"}}, id="7")
    assert result["content"][0]["text"] == "done"
    assert [n["params"]["progressToken"] for n in lean.notifications] == ["p", "p"]


def test_a_tool_that_is_called_by_its_own_name_is_called(lean):
    assert lean.call("echo", text="direct") == "direct"


def test_what_makes_no_sense_is_a_tool_error_that_says_why(lean):
    unnamed = lean.request("tools/call", {"name": "call_tool", "arguments": {"tool": "echo"}})
    assert unnamed["isError"] and "search_tools" in unnamed["content"][0]["text"]
    unknown = lean.request("tools/call", {"name": "describe_tool", "arguments": {"name": "nothing"}})
    assert unknown["isError"] and '"nothing"' in unknown["content"][0]["text"]
    with pytest.raises(RpcError, match="nothing"):
        lean.call("call_tool", name="nothing")


def test_a_session_stays_lean_over_a_restart_of_poold(pool, lean):
    pool.kill()
    lean.connection.close()  # its next request opens another
    assert names(lean) == NAMES


def test_http_sse_clients_have_them_too(pool, project):
    pool.ctl("ensure", project("a"))
    stream = Stream(pool.url + f"/p/{pool.daemon(pool.home / 'a')['projectKey']}/lean/sse")
    wait_until(lambda: stream.events, "the endpoint")
    poster = Client(pool.url + stream.events[0][1])
    for message in ({"id": 0, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {},
                                                                 "clientInfo": {"name": "raw", "version": "1"}}},
                    {"method": "notifications/initialized"}, {"id": 1, "method": "tools/list"},
                    {"id": 2, "method": "tools/call", "params": {"name": "search_tools", "arguments": {}}}):
        assert poster.post({"jsonrpc": "2.0", **message})[0] == 202
    answers = wait_until(lambda: {m["id"]: m for m in stream.messages()} if len(stream.messages()) == 3 else None, "3")
    assert [t["name"] for t in answers[1]["result"]["tools"]] == NAMES
    assert "- echo()" in answers[2]["result"]["content"][0]["text"]
    stream.close()


def test_serenas_list_shrinks_to_a_tenth(pool, project):
    pool.env["POOLD_SERENA_DIR"] = str(serena_dir())
    pool.config_file.unlink()
    url = pool.ctl("ensure", project("a")).stdout.strip()
    whole = json.dumps(Client(url).open().request("tools/list"))
    client = Client(url.replace("/mcp", "/lean/mcp")).open()
    lean = json.dumps(client.request("tools/list"))
    assert len(lean) * 10 < len(whole), (len(lean), len(whole))
    assert "find_symbol(name_path_pattern" in client.call("search_tools", query="symbol")
