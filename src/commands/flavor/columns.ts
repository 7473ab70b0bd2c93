/** A flavor, as its verbs print it. */
import type { Flavor } from "../../core/model/state.ts";
import { number, size, text, time } from "../../ui/output/columns.ts";

/** When the flavors that are there from the start were made. */
const NEVER = "1970-01-01T00:00:00.000Z";

export const flavorColumns = [
  text<Flavor>("name", (flavor) => flavor.name),
  number<Flavor>("vcpus", (flavor) => flavor.vcpus),
  size<Flavor>("ram_bytes", (flavor) => flavor.ramBytes),
  size<Flavor>("disk_bytes", (flavor) => flavor.diskBytes),
  time<Flavor>("created_at", (flavor) => (flavor.createdAt === NEVER ? null : flavor.createdAt), {
    listed: false,
    orNull: true,
  }),
];
