import { EstratoError } from "../../errors.ts";
import { choice, keyValues, repeated, text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";
import { eachInstance, instancesOnRequest, oneInstance } from "./targets.ts";

export default verb({
  description: `Changes the name of an instance (while it is off), its properties, or whether it starts with the host.

A property needs a record: a guest that estrato did not make is adopted.`,
  arguments: { instance: oneInstance },
  options: {
    name: text("NAME", "its new name"),
    property: keyValues("add or replace a property; repeat it"),
    noProperty: repeated(text("KEY", "drop a property; repeat it")),
    autostart: choice(["on", "off"], "whether it starts with the host"),
  },
  result: instancesOnRequest,
  changes: true,
  done: ({ args, options }) => `Changed ${options.name ?? args.instance}.`,
  examples: [
    { line: "estrato instance set web1 --property role=frontend", says: "note something on it" },
    { line: "estrato instance set web1 --name shop", says: "rename it while it is off" },
  ],
  exits: { 5: "the name is taken, or it runs and cannot be renamed" },
  async run(context) {
    const { name, property, noProperty, autostart } = context.options;
    if (name === null && autostart === null && noProperty.length === 0 && Object.keys(property).length === 0) {
      throw new EstratoError("usage", "instance set: nothing to set", { hint: 'See "estrato help instance set".' });
    }
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
      }),
    );
  },
});
