/** Random histories of an estate: each event picks among what is there, so that any list of events is a valid one. */
import fc from "fast-check";
import { allPointers } from "../../../src/core/graph/references.ts";
import type { Volume } from "../../../src/core/model/state.ts";
import type { Estate, Kill } from "./model-estate.ts";
import { UNNOTED_PIVOT } from "./model-host.ts";

export interface Event {
  readonly verb: (typeof VERBS)[number];
  readonly a: number;
  readonly b: number;
}

const VERBS = [
  "create",
  "adopt",
  "borrow",
  "lend",
  "lend",
  "write",
  "write",
  "write",
  "snapshot",
  "snapshot",
  "snapshot",
  "image",
  "clone",
  "clone",
  "revert",
  "grow",
  "drop",
  "drop",
  "drop",
  "power",
  "power",
  "collect",
] as const;

export const events = fc.array(fc.record({ verb: fc.constantFrom(...VERBS), a: fc.nat(1000), b: fc.nat(1000) }), {
  minLength: 5,
  maxLength: 40,
  size: "max",
});

export const kills: fc.Arbitrary<Kill> = fc.record({
  after: fc.nat(9),
  share: fc.constantFrom(0, 0.4, 0.8, UNNOTED_PIVOT),
});

/** Carries out one event. `value` is what a write writes. Collecting is not among what it does. */
export function happen(estate: Estate, { verb, a, b }: Event, value: number): void {
  const volumes = Object.values(estate.state.volumes);
  const volume = pick(volumes, a);
  switch (volume === undefined ? "create" : verb) {
    case "create":
      estate.create(3 + (a % 4));
      break;
    case "adopt":
      estate.adopt(3 + (a % 4), b % 2 === 0);
      break;
    case "borrow":
      estate.borrow(2 + (a % 4), b % 2 === 0);
      break;
    case "lend":
      estate.lend(b);
      break;
    case "drop":
      dropOne(estate, b);
      break;
    default:
      if (volume !== undefined) change(estate, verb, volume, a, b, value);
  }
}

function change(estate: Estate, verb: Event["verb"], volume: Volume, a: number, b: number, value: number): void {
  const source = pick(sources(estate), b);
  if (verb === "write") estate.write(volume, b, value);
  if (verb === "snapshot") estate.snapshot(volume);
  if (verb === "grow") estate.grow(volume);
  if (verb === "power") power(estate, volume);
  if (source === undefined) return;
  if (verb === "image") estate.image(source);
  if (verb === "revert") estate.revert(volume, source);
  if (verb === "clone") {
    const second = volume.instance !== null && !isOn(estate, volume) ? volume.instance : "new";
    const onto = [second, null, "new"][a % 3] ?? null;
    estate.clone(source, onto, b % 2);
  }
}

function dropOne(estate: Estate, n: number): void {
  const pointers = new Map([...allPointers(estate.state)].map(({ pointer }) => [pointer.id, pointer]));
  const pointer = pick([...pointers.values()], n);
  if (pointer !== undefined) estate.drop(pointer);
}

/**
 * What a user may do with virsh while nobody is left to hold the locks: switch guests on and off, and let them write.
 */
export function meddle(estate: Estate, { a, b }: Event, value: number): void {
  const volume = pick(
    Object.values(estate.state.volumes).filter(({ instance }) => instance !== null),
    a,
  );
  if (volume === undefined) return;
  if (b % 2 === 0) power(estate, volume);
  else if (estate.running(volume) && !estate.host.paused.has(volume.instance ?? "")) estate.write(volume, b, value);
}

function power(estate: Estate, volume: Volume): void {
  if (volume.instance === null) return;
  if (isOn(estate, volume)) estate.host.stop(volume.instance);
  else estate.host.start(volume.instance);
}

function isOn(estate: Estate, { instance }: Volume): boolean {
  return Object.values(estate.state.volumes).some((one) => one.instance === instance && estate.running(one));
}

function sources(estate: Estate): { id: string; layer: string }[] {
  return [...allPointers(estate.state)]
    .filter(({ pointer }) => pointer.kind !== "volume")
    .map(({ pointer, layer }) => ({ id: pointer.id, layer }));
}

function pick<T>(all: readonly T[], n: number): T | undefined {
  return all[n % Math.max(1, all.length)];
}
