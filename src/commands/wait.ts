import { DEFAULT_WAIT_MS, parseGoal } from "../core/instances/wait.ts";
import { EstratoError } from "../errors.ts";
import { one } from "./framework/arguments.ts";
import { duration, text } from "./framework/options.ts";
import { verb } from "./framework/verb.ts";

export default verb({
  description: `Waits until an instance has a status, an address, or an agent that answers. Prints nothing.

A reserved address is there before the guest is: --for address waits until the guest has taken one.`,
  arguments: {
    noun: one("NOUN", "the kind of thing: instance", { complete: ["instance"], ask: "What kind of thing?" }),
    target: one("TARGET", "its name or id", { complete: "instance", ask: "Which one?" }),
  },
  options: {
    for: text("GOAL", "status=STATUS, address or agent", {
      required: true,
      complete: ["status=active", "status=shutoff", "status=saved", "address", "agent"],
    }),
    timeout: duration("how long to wait", { default: DEFAULT_WAIT_MS }),
  },
  changes: false,
  examples: [
    { line: "estrato wait instance web1 --for agent", says: "wait until web1 has booted" },
    { line: "estrato wait instance web1 --for status=shutoff --timeout 10m", says: "wait until it is off" },
  ],
  exits: { 5: "it is off, and can get neither address nor agent", 7: "it did not happen in time" },
  async run({ args, options, world }) {
    if (args.noun !== "instance") {
      throw new EstratoError("usage", `wait ${args.noun}: only instances change by themselves`, {
        hint: "Write: estrato wait instance NAME --for GOAL.",
      });
    }
    const { waitForInstance } = await import("../core/instances/wait.ts");
    await waitForInstance(await world(), args.target, parseGoal(options.for), options.timeout);
  },
});
