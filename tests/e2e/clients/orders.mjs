// The orders that a long-lived client of either TypeScript SDK obeys, as JSON lines (see sdk_clients.py).
import { createInterface } from "node:readline";

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

/** What a notification is remembered as: its method, or the resource and what the server marked it with. */
export const noted = (n) => (n.params?.uri ? `${n.params.uri} ${n.params._meta?.mark}` : n.method);

/** Obeys until stdin ends. `call(params, options)` is the SDK's own callTool, `heard` what was noted so far. */
export function obey(client, heard, call) {
  const orders = {
    list: async () => (await client.listTools()).tools.map((tool) => tool.name),
    heard: async () => heard,
    subscribe: async ({ uri }) => client.subscribeResource({ uri }),
    call: async ({ tool, arguments: given, progress }) => {
      const steps = [];
      const messages = [];
      const options = {};
      if (progress) {
        options.onprogress = (p) => {
          steps.push(p.progress);
          messages.push(p.message);
        };
      }
      const result = await call({ name: tool, arguments: given }, options);
      return { text: result.content[0].text, progress: steps, messages };
    },
  };
  say({ id: 0, result: { instructions: client.getInstructions() } });
  createInterface({ input: process.stdin })
    .on("line", async (line) => {
      const order = JSON.parse(line);
      try {
        say({ id: order.id, result: await orders[order.do](order) });
      } catch (e) {
        say({ id: order.id, error: `${e.name}: ${e.message}` });
      }
    })
    .on("close", () => process.exit(0));
}
