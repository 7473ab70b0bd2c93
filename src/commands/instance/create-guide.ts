/** The dialogue of `instance create`: from what, how large, with which key, on which network, and its name. */
import { requireName } from "../../core/names.ts";
import { EstratoError } from "../../errors.ts";
import type { Guide } from "../framework/tree.ts";

/** [] where the line says what it is made from: all else has a default then. */
export async function guideCreate(guide: Guide): Promise<string[]> {
  const { options, operands, factory } = guide;
  const { image, snapshot, backup, bootVolume, flavor, vcpus, ram, keyName } = options;
  if ([image, snapshot, backup, bootVolume].some((source) => source !== null)) return [];
  const images = await guide.candidates("image");
  if (images.length === 0) {
    throw new EstratoError("usage", "instance create: there is no image to make it from", {
      hint: "Make one first: estrato image create NAME --file FILE.",
    });
  }
  const words = ["--image", await guide.choose("From which image?", images)];
  if (flavor === null && vcpus === null && ram === null) {
    words.push("--flavor", await guide.choose("How large?", await guide.candidates("flavor")));
  }
  const keys = await guide.candidates("keypair");
  if (keyName === null && keys.length > 0) {
    const key = await guide.choose("Which key opens it?", [...keys, { value: "none", description: "no key" }]);
    if (key !== "none") words.push("--key-name", key);
  }
  if ((options.network as readonly string[]).length === 0) words.push("--network", await chooseNetwork(guide));
  if (operands.length > 0) return words;
  const world = await factory.world();
  const taken = new Set((await world.host.listDomains()).map(({ name }) => name));
  const name = await guide.ask("What shall it be called?", {
    check: (text) => {
      requireName("instance", text);
      if (taken.has(text)) throw new EstratoError("conflict", `instance ${text}: the name is taken`);
    },
  });
  return [name, ...words];
}

/** The usual one first. */
async function chooseNetwork({ factory, choose }: Guide): Promise<string> {
  const usual = (await factory.world()).usualNetwork ?? "default";
  const names = [...(await (await factory.host()).listNetworks()), ...(usual === "user" ? [usual] : [])];
  const others = names.filter((name) => name !== usual);
  return choose("On which network?", [
    ...(names.includes(usual) ? [{ value: usual, description: "the usual one" }] : []),
    ...others.map((value) => ({ value, description: "" })),
    { value: "none", description: "no network" },
  ]);
}
