"""A programmatic agent on the project it is started in: python agent.py "What does main() do?"

Its tools are those of the project's server, as poold remembers them: no server is started before the
model calls one. Needs poolctl in PATH, `pip install anthropic` and ANTHROPIC_API_KEY.
"""
import json
import subprocess
import sys

import anthropic


def poolctl(*words, given=None):
    return subprocess.run(["poolctl", *words], input=given, text=True, capture_output=True)


tools = json.loads(poolctl("tools", "--start", "--format", "anthropic").stdout)
model = anthropic.Anthropic()
messages = [{"role": "user", "content": sys.argv[1]}]
while True:
    answer = model.messages.create(model="claude-sonnet-4-5", max_tokens=4096, tools=tools, messages=messages)
    messages.append({"role": "assistant", "content": answer.content})
    results = []
    for block in answer.content:
        if block.type == "text":
            print(block.text)
        elif block.type == "tool_use":
            done = poolctl("call", block.name, "-", given=json.dumps(block.input))
            results.append({"type": "tool_result", "tool_use_id": block.id,
                            "content": done.stdout + done.stderr, "is_error": done.returncode != 0})
    if not results:
        break
    messages.append({"role": "user", "content": results})
