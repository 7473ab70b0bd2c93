/** What recorded sessions are played on; each begins with a scene of its own. */
import { estate } from "../commands/estate.ts";
import { newEstate } from "../core/instances/world.ts";
import { type Bed, bed } from "../core/world.ts";

export const SCENES: Readonly<Record<string, () => Promise<Bed>>> = {
  /** A host with nothing on it, and a store with nothing in it. */
  nothing: async () => bed(),
  /** One image, debian12, and one key, mykey: what a first instance is made from. */
  beginning: async () => newEstate(),
  /** A host on which each verb of the chief nouns has something to do; see there. */
  estate,
};
