"""The Inspector's command line says the same of a server through the front as directly."""
import os
import subprocess

import pytest

from conformance_suite import MODULES, fixture_command, free_port, node, running
from conftest import make_project, pool_of_its_own

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

    def __init__(self, home, **more):
        self.words = [node(), str(MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"), "--cli"]
        self.more = {"env": {**os.environ, "HOME": str(home)}, **more}

    def ask(self, target, question):
        """(exit status, what it printed)"""
        done = subprocess.run([*self.words, *target, *QUESTIONS[question]], capture_output=True, text=True, timeout=60,
                              **self.more)
        return done.returncode, done.stdout or done.stderr


@pytest.fixture(scope="module")
def sides(request):
    """(inspector, URL of the fixture itself, base URL of a front with it behind)"""
    with pool_of_its_own(request.config) as pool:
        command = fixture_command(pool.root)
        pool.configure({"fixture": {"command": command[0], "args": [*command[1:], "--port", "${POOLD_PORT}"],
                                    "type": "http"}})
        front = pool.ctl("ensure", make_project(pool)).stdout.strip().removesuffix("/mcp")
        port = free_port()
        with running([*command, "--port", port], port):
            yield Inspector(pool.home), f"http://127.0.0.1:{port}/mcp", front


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_is_answered_as_by_the_server_itself(sides, question):
    inspector, directly, front = sides
    said = inspector.ask(["--transport", "http", directly], question)
    assert inspector.ask(["--transport", "http", front + "/mcp"], question) == said
    assert inspector.ask(["--transport", "sse", front + "/sse"], question) == said
