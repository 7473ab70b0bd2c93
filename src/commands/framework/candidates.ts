/** The live names of a kind: for a shell's completion, and for the choice at a terminal. */

import { passingRows } from "../../core/model/passing.ts";
import type { State } from "../../core/model/state.ts";
import type { Factory } from "../../factory.ts";
import { humanSize } from "../../units.ts";
import type { Completion } from "./arguments.ts";

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** Those whose things have names. */
const NAMED = ["instance", "snapshot", "image", "volume", "backup", "schedule", "flavor", "keypair"] as const;

/** The kind that is meant behind `first`, the word before it: of "of-noun" the one that it names, else itself. */
export function kindMeant(kind: Completion, first: unknown): Completion {
  return kind === "of-noun" ? (NAMED.find((noun) => noun === first) ?? "nothing") : kind;
}

/**
 * From what is remembered alone: one file is read. [] for what has no names, and for files, which a shell knows better.
 */
export async function candidates(
  kind: Completion,
  { store, settings }: Pick<Factory, "store" | "settings">,
): Promise<Candidate[]> {
  if (typeof kind !== "string") return kind.map((value) => ({ value, description: "" }));
  if (kind === "setting") {
    return (await settings()).list().map(({ key, value }) => ({ value: key, description: value ?? "" }));
  }
  const list = KINDS[kind];
  return list === undefined ? [] : list(await (await store()).read());
}

/** With the guests that libvirt has and estrato has not adopted; of "running" only it knows. */
export async function liveCandidates(
  kind: Completion,
  factory: Pick<Factory, "store" | "settings" | "host">,
): Promise<Candidate[]> {
  if (kind !== "instance" && kind !== "running") return candidates(kind, factory);
  const domains = await (await factory.host()).listDomains();
  if (kind === "running") {
    return domains.flatMap(({ name, state }) => (state === "running" ? [{ value: name, description: state }] : []));
  }
  const known = await candidates(kind, factory);
  const names = new Set(domains.map((domain) => domain.name));
  const { statusWord } = await import("../../core/instances/view.ts");
  return [
    ...domains.map((domain) => ({ value: domain.name, description: statusWord({ ...domain, managedSave: false }) })),
    ...known.filter(({ value }) => !names.has(value)),
  ];
}

type Lister = (state: State) => Candidate[];

const KINDS: Partial<Record<string, Lister>> = {
  instance: (state) =>
    Object.values(state.instances).map(({ name, shelved }) => ({
      value: name,
      description: shelved === null ? "" : "shelved",
    })),
  snapshot(state) {
    const instances = new Map(Array.from(passingRows(state, "instances"), ({ id, name }) => [id, name]));
    return Array.from(passingRows(state, "snapshots"), ({ instance, volume, name, createdAt }) => {
      const ofInstance = instance === null ? null : (instances.get(instance) ?? instance);
      const owner = ofInstance ?? state.volumes[volume ?? ""]?.name ?? volume ?? "";
      return { value: `${owner}/${name}`, description: createdAt };
    }).sort((a, b) => Number(a.description < b.description) - Number(a.description > b.description));
  },
  image: (state) => Object.values(state.images).map(({ name, type }) => ({ value: name, description: type })),
  volume: (state) =>
    Object.values(state.volumes).map(({ name, id, instance }) => ({
      value: name ?? id,
      description: (instance !== null && state.instances[instance]?.name) || "",
    })),
  // The newest of each instance and target: the others are known to their folders alone.
  backup: (state) => Object.values(state.bookmarks).map(({ id, createdAt }) => ({ value: id, description: createdAt })),
  flavor: (state) =>
    Object.values(state.flavors).map(({ name, vcpus, ramBytes }) => ({
      value: name,
      description: `${vcpus} vCPU, ${humanSize(ramBytes)}`,
    })),
  schedule: (state) => Object.values(state.schedules).map(({ name, cron }) => ({ value: name, description: cron })),
  keypair: (state) => Object.values(state.keypairs).map(({ name, type }) => ({ value: name, description: type })),
};
