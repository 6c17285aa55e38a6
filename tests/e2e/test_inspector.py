"""The Inspector's command line says the same of a server through the front as directly."""
import subprocess

import pytest

from conformance_suite import MODULES, fixture_command, free_port, node, running
from conftest import BIN, make_project, pool_of_its_own

QUESTIONS = {
    "tools": ["--method", "tools/list"],
    "argument": ["--method", "tools/call", "--tool-name", "test_custom_headers", "--tool-arg", "region=eu"],
    "tool error": ["--method", "tools/call", "--tool-name", "test_error_handling"],
    "resources": ["--method", "resources/list"],
    "resource": ["--method", "resources/read", "--uri", "test://static-text"],
    "no such resource": ["--method", "resources/read", "--uri", "test://none"],
    "prompts": ["--method", "prompts/list"],
    "prompt": ["--method", "prompts/get", "--prompt-name", "test_prompt_with_arguments", "--prompt-args", "arg1=a",
               "arg2=b"],
}


class Inspector:
    """Asks a server, each question by a process of its own."""

    def __init__(self, **more):
        self.words = [node(), str(MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"), "--cli"]
        self.more = more

    def ask(self, target, question):
        """(exit status, what it printed)"""
        done = subprocess.run([*self.words, *target, *QUESTIONS[question]], capture_output=True, text=True, timeout=60,
                              **self.more)
        return done.returncode, done.stdout or done.stderr


@pytest.fixture(scope="module")
def sides(request):
    """(inspector, how to reach the fixture itself, and through the front by each transport)"""
    with pool_of_its_own(request.config) as pool:
        command = fixture_command(pool.root)
        pool.configure({"fixture": {"command": command[0], "args": [*command[1:], "--port", "${POOLD_PORT}"],
                                    "type": "http"}})
        project, port = make_project(pool), free_port()
        front = pool.ctl("ensure", project).stdout.strip().removesuffix("/mcp")
        # It gives the commands that it starts little of its own environment, as all SDK clients do.
        places = [word for name, value in pool.env.items() if name.startswith("POOLD_")
                  for word in ("-e", f"{name}={value}")]
        ways = [["--transport", "http", front + "/mcp"], ["--transport", "sse", front + "/sse"],
                [*places, str(BIN / "poolctl"), "connect"]]
        with running([*command, "--port", port], port):
            yield Inspector(cwd=project, env=pool.env), ["--transport", "http", f"http://127.0.0.1:{port}/mcp"], ways


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_is_answered_as_by_the_server_itself(sides, question):
    inspector, directly, ways = sides
    said = inspector.ask(directly, question)
    assert [inspector.ask(way, question) for way in ways] == [said] * 3


@pytest.mark.parametrize("question", ["tools", "argument", "no such resource"])
def test_it_is_answered_in_the_newest_revision_too(sides, question):
    inspector, directly, ways = sides
    newest = ["--protocol-era", "modern"]
    assert inspector.ask([*ways[0], *newest], question) == inspector.ask([*directly, *newest], question)
