// A programmatic agent on the project it is started in: node agent.ts "What does main() do?"
// Its tools are those of the project's server, as poold remembers them: no server is started before
// the model calls one. Needs poolctl in PATH, Node.js 22.18 or newer, `npm install
// @anthropic-ai/sdk` and ANTHROPIC_API_KEY.
import Anthropic from "@anthropic-ai/sdk";
import { spawnSync } from "node:child_process";

const poolctl = (words: string[], input?: string) => spawnSync("poolctl", words, { input, encoding: "utf8" });

const tools: Anthropic.Tool[] = JSON.parse(poolctl(["tools", "--start", "--format", "anthropic"]).stdout);
const model = new Anthropic();
const messages: Anthropic.MessageParam[] = [{ role: "user", content: process.argv[2] }];
for (;;) {
  const answer = await model.messages.create({ model: "claude-sonnet-4-5", max_tokens: 4096, tools, messages });
  messages.push({ role: "assistant", content: answer.content });
  const results: Anthropic.ToolResultBlockParam[] = [];
  for (const block of answer.content) {
    if (block.type === "text") {
      console.log(block.text);
    } else if (block.type === "tool_use") {
      const done = poolctl(["call", block.name, "-"], JSON.stringify(block.input));
      results.push({ type: "tool_result", tool_use_id: block.id, content: done.stdout + done.stderr,
                     is_error: done.status !== 0 });
    }
  }
  if (!results.length) break;
  messages.push({ role: "user", content: results });
}
