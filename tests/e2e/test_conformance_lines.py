"""The requests of the conformance scenarios over mcp.sock, by an SDK's stdio client: the answers, and what comes on the
way, are those of the fixture's own stdin and stdout. (The suites themselves speak HTTP only.)
"""
import asyncio
import contextlib

import mcp.types as types
import pytest
from mcp import ClientSession, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client

from conformance_suite import fixture_command
from conftest import BIN, make_project, pool_of_its_own

pytestmark = pytest.mark.filterwarnings("ignore:.*2026-07-28")  # the SDK regrets what the newest revision removes
CALLS = [("test_simple_text", {}), ("test_image_content", {}), ("test_audio_content", {}),
         ("test_embedded_resource", {}), ("test_multiple_content_types", {}), ("test_tool_with_logging", {}),
         ("test_tool_with_progress", {}), ("test_error_handling", {}), ("test_custom_headers", {"region": "eu"}),
         ("test_reconnection", {}), ("no_such_tool", {})]
ASKING = [("test_sampling", {"prompt": "What now?"}), ("test_elicitation", {"message": "Who?"}),
          ("test_elicitation_sep1034_defaults", {}), ("test_elicitation_sep1330_enums", {})]


class Client:
    """A stdio client that can do all that a server may ask for, and notes what comes on the way."""

    def __init__(self, session):
        self.session, self.on_the_way = session, []

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, command, cwd, env, log):
        made = cls(None)
        parameters = StdioServerParameters(command=command[0], args=command[1:], cwd=cwd, env=env)
        async with stdio_client(parameters, log) as streams, ClientSession(
                *streams, sampling_callback=made.sample, elicitation_callback=made.fill_in,
                logging_callback=made.hear) as made.session:
            await made.session.initialize()
            yield made

    async def sample(self, context, params):
        return types.CreateMessageResult(role="assistant", model="test", stop_reason="endTurn",
                                         content=types.TextContent(type="text", text=f"To {params.max_tokens}: this."))

    async def fill_in(self, context, params):
        form = params.requested_schema["properties"]
        return types.ElicitResult(action="accept", content={name: field.get("default", "x")
                                                            for name, field in form.items()})

    async def hear(self, params):
        self.on_the_way.append([params.level, params.data])

    async def progress(self, value, total, message):
        self.on_the_way.append([value, total])

    async def ask(self, request):
        """What came on the way, and the result or the error."""
        self.on_the_way = []
        try:
            result = (await request).model_dump(mode="json", by_alias=True, exclude_none=True)
        except MCPError as e:
            result = ["error", e.error.code, e.error.message]
        return self.on_the_way, result


async def all_answers(command, cwd, env, log, calls):
    async with Client.of(command, cwd, env, log) as client:
        session = client.session
        requests = {
            "ping": session.send_ping, "tools": session.list_tools, "prompts": session.list_prompts,
            "resources": session.list_resources, "templates": session.list_resource_templates,
            "level": lambda: session.set_logging_level("debug"),
            "subscribe": lambda: session.subscribe_resource("test://watched-resource"),
            "unsubscribe": lambda: session.unsubscribe_resource("test://watched-resource"),
            "complete": lambda: session.complete(
                types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments"),
                {"name": "arg1", "value": "par"}),
        }
        for uri in ("static-text", "static-binary", "template/123/data", "none"):
            requests[uri] = lambda uri=uri: session.read_resource(f"test://{uri}")
        for name, given in (("test_simple_prompt", None), ("test_prompt_with_image", None),
                            ("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"}), ("no_such_prompt", None)):
            requests[name] = lambda name=name, given=given: session.get_prompt(name, given)
        for name, given in calls:
            requests[name] = lambda name=name, given=given: session.call_tool(
                name, given, progress_callback=client.progress)
        return {name: await client.ask(request()) for name, request in requests.items()}


@pytest.fixture(scope="module")
def front(request):
    """(pool, project, the fixture's command) of a front with the fixture behind it in every way."""
    with pool_of_its_own(request.config) as pool:
        command = fixture_command(pool.root)
        pool.configure({"http": {"command": command[0], "args": [*command[1:], "--port", "${POOLD_PORT}"],
                                 "type": "http"},
                        "stdio": {"command": command[0], "args": [*command[1:], "--stdio"], "type": "stdio"},
                        "private": {"command": command[0], "args": [*command[1:], "--stdio"], "type": "stdio",
                                    "share": "session"}})
        project = make_project(pool)
        pool.start()
        yield pool, project, [*command, "--stdio"]


def socat(pool, server):
    """One first line chooses the server; all after it is what the client says."""
    first = f'{{"poold":{{"server":"{server}"}}}}'
    return ["sh", "-c",
            f"{{ echo '{first}'; cat; }} | socat -t 30 STDIO UNIX-CONNECT:{pool.run}/mcp.sock | sed -u 1d"]


def connect(pool, server):
    return [str(BIN / "poolctl"), "connect", "--server", server]


@pytest.mark.parametrize("bridge, way, calls", [
    (socat, "http", CALLS + ASKING), (connect, "http", CALLS + ASKING), (connect, "stdio", CALLS),
    (connect, "private", CALLS + ASKING)], ids=["socat-http", "connect-http", "connect-stdio", "connect-private"])
def test_an_sdk_client_over_mcp_sock_is_answered_as_over_the_servers_own_pipes(front, bridge, way, calls):
    pool, project, command = front
    with (pool.root / f"client-{way}.log").open("w") as log:
        def answers(words, cwd):
            return asyncio.run(asyncio.wait_for(all_answers(words, cwd, pool.env, log, calls), 60))
        directly, through = answers(command, pool.home), answers(bridge(pool, way), project)
    assert len(directly) == 17 + len(calls)
    for name, said in directly.items():
        assert through[name] == said, name
