/** What a store holds before anything was stored in it. */
import { STATE_VERSION, type State } from "../core/model/state.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** The sizes of OpenStack's m1 flavors, halved where one host would feel them. */
const FLAVORS: readonly (readonly [name: string, vcpus: number, ramBytes: number, diskBytes: number])[] = [
  ["tiny", 1, 512 * MIB, 1 * GIB],
  ["small", 1, 1 * GIB, 10 * GIB],
  ["medium", 2, 2 * GIB, 20 * GIB],
  ["large", 4, 4 * GIB, 40 * GIB],
  ["xlarge", 8, 8 * GIB, 80 * GIB],
];

/** The default flavors were made by no one at no time that matters; a fixed one keeps two empty states equal. */
const EPOCH = "1970-01-01T00:00:00.000Z";

/** A new state with nothing but the default flavors; the caller may change it. */
export function emptyState(): State {
  return {
    version: STATE_VERSION,
    binding: null,
    layers: {},
    volumes: {},
    instances: {},
    snapshots: {},
    images: {},
    flavors: Object.fromEntries(
      FLAVORS.map(([name, vcpus, ramBytes, diskBytes]) => [
        name,
        { name, vcpus, ramBytes, diskBytes, createdAt: EPOCH },
      ]),
    ),
    keypairs: {},
    bookmarks: {},
    storeId: null,
    targets: {},
    schedules: {},
  };
}
