import { parseForward, parseHostEnd } from "../../core/forwards/forward.ts";
import { EstratoError } from "../../errors.ts";
import { choice, keyValues, repeated, text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, oneInstance } from "./targets.ts";

export default verb({
  description: `Changes the name of an instance (while it is off), its properties, whether it starts with the host, or which ports of this host lead to it.

A property, or a port, needs a record: a guest that estrato did not make is adopted.

Ports lead to an instance on the network user (see instance create), and stay when it is stopped, shelved or reverted. They lead there at once where QEMU itself serves that
network, and from the next start on where passt does.`,
  arguments: { instance: oneInstance },
  options: {
    name: text("NAME", "its new name"),
    property: keyValues("add or replace a property; repeat it"),
    noProperty: repeated(text("KEY", "drop a property; repeat it")),
    forward: repeated(text("PORTS", "[ADDRESS:]HOST:GUEST[/udp]: have that port of this host lead to it; repeat it")),
    noForward: repeated(text("HOST", "drop the forward of that port of this host, HOST[/udp]; repeat it")),
    autostart: choice(["on", "off"], "whether it starts with the host"),
  },
  result: instancesOnRequest,
  changes: true,
  done: ({ args, options }) => `Changed ${options.name ?? args.instance}.`,
  examples: [
    { line: "estrato instance set web1 --property role=frontend", says: "note something on it" },
    { line: "estrato instance set web1 --forward 8443:443", says: "its port 443 is 127.0.0.1:8443 here" },
    { line: "estrato instance set web1 --name shop", says: "rename it while it is off" },
  ],
  exits: {
    2: "a malformed forward, or a port below 1024 without root",
    4: "there is no such instance, or no such forward",
    5: "the name or the port is taken, it runs and cannot be renamed, or it is not on the network user",
  },
  async run(context) {
    const { name, property, noProperty, autostart, forward, noForward } = context.options;
    const lists = [noProperty, Object.keys(property), forward, noForward];
    if (name === null && autostart === null && lists.every((list) => list.length === 0)) {
      throw new EstratoError("usage", "instance set: nothing to set", { hint: 'See "estrato help instance set".' });
    }
    const forwards = { add: forward.map(parseForward), drop: noForward };
    for (const text of noForward) parseHostEnd(text);
    const { setInstance } = await import("../../core/instances/set.ts");
    const { instance } = context.args;
    const id = (await (await import("../../core/instances/find.ts")).lookUpInstance(await context.world(), instance))
      .status?.uuid;
    return eachInstance(context, [id ?? instance], "set", (world, target) =>
      setInstance(world, target, {
        name,
        properties: property,
        dropProperties: noProperty,
        autostart: autostart === null ? null : autostart === "on",
        ...(forward.length + noForward.length === 0 ? {} : { forwards }),
      }),
    );
  },
});
