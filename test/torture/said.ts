/** What is said of things, beyond what they hold: names, properties, protection. It stays as it was said last. */
import { isDeepStrictEqual } from "node:util";
import type { Added, Effect, Outcome, RecordKind, Said } from "./effect.ts";
import type { Seen } from "./seen.ts";

/** Set to something that nobody can foretell, a time. */
export const ANY = Symbol("any");

/** The id of the settings, which are said of no thing. */
export const SETTINGS = "settings";

const RECORDS: readonly string[] = ["schedule", "keypair", "flavor"] satisfies RecordKind[];
export const isRecord = (kind: string): kind is RecordKind => RECORDS.includes(kind);

/** Of one that has no id but its name. */
export const recordId = (kind: "keypair" | "flavor", name: string): string => `${kind} ${name}`;

interface Sayable {
  readonly kind: Added["kind"] | "instance" | typeof SETTINGS;
  readonly said: Said;
}

/** Everything of which something is said, by id. */
function sayables({ state, backups, settings }: Seen): Map<string, Sayable> {
  const all = new Map<string, Sayable>([[SETTINGS, { kind: SETTINGS, said: settings }]]);
  for (const { id, name, properties } of Object.values(state.instances))
    all.set(id, { kind: "instance", said: { name, properties } });
  for (const { id, name } of Object.values(state.volumes)) all.set(id, { kind: "volume", said: { name } });
  for (const { id, name, description, properties, protected: guarded, expiresAt } of Object.values(state.snapshots)) {
    const said = { name, description, properties, protected: guarded, expiresAt };
    all.set(id, { kind: "snapshot", said });
  }
  for (const { id, name, properties, protected: guarded, minDiskBytes, minRamBytes, ...one } of Object.values(
    state.images,
  )) {
    const sharedWith = (one.sharedWith ?? []).map((user) => user.name);
    const said = {
      name,
      properties,
      protected: guarded,
      minDiskBytes,
      minRamBytes,
      isPublic: one.visibility === "public",
    };
    all.set(id, { kind: "image", said: { ...said, sharedWith } });
  }
  for (const { id, name, cron, task } of Object.values(state.schedules ?? {})) {
    const verify = task.kind === "backup" && task.verify?.kind === "share" ? task.verify.percent : null;
    all.set(id, { kind: "schedule", said: { name, cron, task: task.kind, verify } });
  }
  for (const { name, publicKey } of Object.values(state.keypairs ?? {}))
    all.set(recordId("keypair", name), { kind: "keypair", said: { name, publicKey } });
  for (const { name, vcpus, ramBytes, diskBytes } of Object.values(state.flavors ?? {}))
    all.set(recordId("flavor", name), { kind: "flavor", said: { name, vcpus, ramBytes, diskBytes } });
  for (const [id, { name, isProtected }] of backups)
    all.set(id, { kind: "backup", said: { name, protected: isProtected } });
  return all;
}

export class Sayings {
  private known = new Map<string, Sayable>();

  of(id: string): Said {
    return this.known.get(id)?.said ?? {};
  }

  isProtected(id: string): boolean {
    return this.of(id).protected === true;
  }

  /** Takes in what a step has led to. Returns what may not be; of which things are there, of records alone. */
  learn(effect: Effect, outcome: Outcome, seen: Seen): string[] {
    const wrong: string[] = [];
    const now = sayables(seen);
    // A new store has flavors.
    const isFirst = ![...this.known.values()].some(({ kind }) => kind === "flavor");
    const added = outcome === "refused" ? [] : (effect.adds ?? []);
    for (const [id, { kind, said }] of now) {
      const before = this.known.get(id);
      const changes = outcome === "refused" ? {} : (effect.says?.get(id) ?? {});
      if (before !== undefined) wrong.push(...changed(id, kind, before.said, changes, said, outcome === "done"));
      else if (kind !== SETTINGS) {
        const one = added.find((each) => each.kind === kind && (each.name === null || each.name === said.name));
        if (one === undefined && isRecord(kind) && !(kind === "flavor" && isFirst))
          wrong.push(`${kind} ${said.name} has appeared`);
        for (const [key, value] of Object.entries(one?.says ?? {}))
          if (!isSo(said[key], value))
            wrong.push(`${kind} ${said.name}: ${key} is ${words(said[key])}, not ${words(value)}`);
      }
    }
    for (const [id, { kind, said }] of this.known) {
      // What is in a target that is away is still said of it.
      if (now.has(id) || kind === "backup") continue;
      const may = outcome !== "refused" && (effect.removes?.includes(id) || effect.mayRemove?.includes(id));
      if (isRecord(kind) && !may) wrong.push(`${kind} ${said.name} is gone`);
      this.known.delete(id);
    }
    if (outcome === "done") {
      for (const id of effect.removes ?? []) if (isRecord(now.get(id)?.kind ?? "")) wrong.push(`${id} was not removed`);
      for (const { kind, name } of added)
        if (isRecord(kind) && ![...now.values()].some((one) => one.kind === kind && one.said.name === name))
          wrong.push(`${kind} ${name} is not there`);
    }
    for (const [id, one] of now) this.known.set(id, one);
    return wrong;
  }
}

/** Others rename guests; whatever else was said stays. Until it was reported done, the old is as good as the new. */
function changed(id: string, kind: string, before: Said, changes: Said, now: Said, isDone: boolean): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(changes), ...Object.keys(now)])].flatMap((key) => {
    if (kind === "instance" && key === "name" && !(isDone && key in changes)) return [];
    const allowed = !(key in changes) ? [before[key]] : isDone ? [changes[key]] : [before[key], changes[key]];
    if (allowed.some((one) => isSo(now[key], one))) return [];
    return [`${kind} ${id}: ${key} is ${words(now[key])}, and ${allowed.map(words).join(" or ")} was said`];
  });
}

const isSo = (now: unknown, wished: unknown): boolean => wished === ANY || isDeepStrictEqual(now, wished);
const words = (value: unknown): string => (value === ANY ? "anything" : (JSON.stringify(value) ?? "nothing"));
