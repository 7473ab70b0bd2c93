/** Definitions that lie in files: the records of a store, and what a backup holds. Anything may stand in them. */
import { EstratoError } from "../../errors.ts";
import type { World } from "../ports.ts";

/** The same text. Throws "integrity", with the file's name and what is wrong, where it is no definition of a guest. */
export function requireDefinition(world: World, xml: string, file: string): string {
  try {
    world.host.parseDefinition(xml);
    return xml;
  } catch (cause) {
    if (!(cause instanceof EstratoError)) throw cause;
    throw new EstratoError("integrity", `${file}: ${cause.message}`, {
      hint: "Get the file back from a copy: what is in it is no definition that estrato or libvirt wrote.",
      cause,
    });
  }
}

/** What records/NAME holds. Throws "integrity" where it is not there, or no definition. */
export async function recordedDefinition(world: World, name: string): Promise<string> {
  return requireDefinition(world, await world.store.readRecord(name), world.store.paths.record(name));
}
