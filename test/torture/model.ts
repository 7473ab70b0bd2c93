/** What was reported done, and what each of these things holds. */
import type { State } from "../../src/core/model/state.ts";
import { realNow } from "./clock.ts";
import type { Content } from "./content.ts";
import type { Effect, File, Kind, Outcome } from "./effect.ts";
import { isRecord, Sayings } from "./said.ts";
import { NOTHING, type Seen } from "./seen.ts";

export interface Thing {
  readonly kind: Kind;
  readonly id: string;
  /** As it is called now. */
  name: string | null;
  /** By volume id (volumes, snapshots) or device (images, backups). */
  readonly disks: Map<string, Content>;
  /** Of a backup. */
  readonly target?: string;
  /** Of a backup: id of what it was taken of. */
  readonly of?: string;
  /** Of a backup: the volumes that it was taken of, by device. */
  readonly volumes?: ReadonlyMap<string, string>;
}

/** A guest that estrato has not adopted; its disks by device. */
export interface Stranger {
  readonly name: string;
  readonly disks: Map<string, File>;
}

export class Model {
  readonly things = new Map<string, Thing>();
  readonly strangers = new Map<string, Stranger>();
  /** Files of others that no guest of theirs is known to have, by path. */
  readonly files = new Map<string, File>();
  /** Where adopted volumes lay before, and the guest that brought each, by id. */
  readonly origins = new Map<string, Omit<File, "content"> & { readonly instance: string | null }>();
  /** What images held that are deleted, too: instances are rebuilt on them. By id, then by device. */
  readonly everImages = new Map<string, ReadonlyMap<string, Content>>();
  /** A clock was moved: what is oldest is not told any more. */
  jumped = false;
  /** Names by UUID. */
  readonly instances = new Map<string, string>();
  /** Targets that are not there. */
  readonly away = new Set<string>();
  readonly said = new Sayings();
  state: State = NOTHING;

  of(kind: Kind): Thing[] {
    return [...this.things.values()].filter((one) => one.kind === kind);
  }

  /** What a volume holds. */
  held(volume: string): Content {
    const content = this.things.get(volume)?.disks.get(volume);
    if (content === undefined) throw new Error(`the model knows no ${volume}`);
    return content;
  }

  /** Volumes of an instance, by device. */
  volumesOf(instance: string): [device: string, id: string][] {
    return Object.values(this.state.volumes)
      .filter((one) => one.instance === instance && one.device !== null)
      .map((one): [string, string] => [one.device as string, one.id])
      .sort();
  }

  /** The first file of others that a volume stands on, or is. */
  topForeign(volume: string): Omit<File, "content"> | undefined {
    const { layers, volumes } = this.state;
    for (let layer = layers[volumes[volume]?.head ?? ""]; layer !== undefined; layer = layers[layer.parent ?? ""])
      if (layer.foreign !== null) return layer;
    return undefined;
  }

  contentsOf(instance: string): Map<string, Content> {
    return new Map(this.volumesOf(instance).map(([device, id]) => [device, this.held(id)]));
  }

  /** Takes in what a step has led to. Returns what may not be. */
  learn(effect: Effect, outcome: Outcome, seen: Seen): string[] {
    const wrong: string[] = [];
    const isIn = (id: string) => id in seen.state.volumes || id in seen.state.snapshots || id in seen.state.images;
    const refused = outcome === "refused";
    const done = outcome === "done";
    const known = new Set(this.things.keys());
    const before = new Map(this.of("volume").map(({ id }) => [id, this.held(id)]));

    for (const thing of [...this.things.values()]) {
      if (thing.kind === "backup" ? seen.backups.has(thing.id) || this.away.has(thing.target ?? "") : isIn(thing.id)) {
        if (done && effect.removes?.includes(thing.id)) wrong.push(`${thing.id} (${thing.name}) was not removed`);
        continue;
      }
      const may = effect.removes?.includes(thing.id) || effect.mayRemove?.includes(thing.id);
      if ((refused || !may) && !this.hasExpired(thing.id))
        wrong.push(`${thing.kind} ${thing.id} (${thing.name}) is gone`);
      this.things.delete(thing.id);
    }
    if (!refused) for (const [id, content] of effect.writes ?? []) if (done) this.write(id, content);

    const fresh = new Map<string, string>();
    for (const one of Object.values(seen.state.instances)) {
      const known = this.instances.get(one.id);
      const stranger = this.strangers.get(one.id);
      if (known === undefined && stranger === undefined && (refused || effect.instance !== one.name))
        wrong.push(`instance ${one.name} has appeared`);
      if (known === undefined) fresh.set(one.id, one.name);
      this.instances.set(one.id, one.name);
    }
    for (const [id, name] of [...this.instances]) {
      if (id in seen.state.instances) continue;
      if (refused || !effect.removes?.includes(id)) wrong.push(`instance ${name} is gone`);
      this.instances.delete(id);
      effect.gone?.(seen.state);
    }
    if (done)
      for (const id of effect.removes ?? []) if (this.instances.has(id)) wrong.push(`instance ${id} was not removed`);

    this.learnVolumes(effect, refused, seen, fresh, wrong);
    // A disk that was taken in on the way is part of what was made.
    const late = new Map(
      Object.values(seen.state.volumes)
        .filter(({ id }) => !known.has(id))
        .flatMap(({ id, device }) => (device === null ? [] : [[device, this.held(id)] as const])),
    );
    const made = { ...effect, made: new Map([...late, ...(effect.made ?? [])]) };
    const named = (kind: Kind, name: string | null) =>
      !refused && (effect.adds ?? []).some((one) => one.kind === kind && (one.name === null || one.name === name));
    for (const one of Object.values(seen.state.snapshots)) {
      if (this.things.has(one.id)) continue;
      const ours = one.automatic ? effect.automatic === true && !refused : named("snapshot", one.name);
      if (!ours) wrong.push(`snapshot ${one.name} has appeared`);
      const disks = new Map(one.disks.map(({ volume }) => [volume, before.get(volume) ?? this.held(volume)]));
      this.things.set(one.id, { kind: "snapshot", id: one.id, name: one.name, disks });
    }
    for (const one of Object.values(seen.state.images)) {
      if (this.things.has(one.id)) continue;
      if (!named("image", one.name)) wrong.push(`image ${one.name} has appeared`);
      this.addMade(
        "image",
        one.id,
        one.name,
        made,
        one.disks.map(({ device }) => device),
        wrong,
      );
    }
    for (const [id, { target, name, of }] of seen.backups) {
      if (this.things.has(id)) continue;
      if (!named("backup", name)) wrong.push(`backup ${name} has appeared`);
      this.addMade("backup", id, name, effect, [...(effect.made?.keys() ?? [])], wrong, {
        target,
        of,
        volumes: effect.volumes ?? new Map(),
      });
    }
    if (done)
      for (const { kind, name } of effect.adds ?? [])
        if (!isRecord(kind) && !this.of(kind).some((one) => (name === null ? !known.has(one.id) : one.name === name)))
          wrong.push(`${kind} ${name ?? "of any name"} is not there`);
    if (done && effect.instance !== undefined && ![...this.instances.values()].includes(effect.instance))
      wrong.push(`instance ${effect.instance} is not there`);
    wrong.push(...this.said.learn(effect, outcome, seen));
    for (const one of this.things.values()) if (one.kind !== "backup") one.name = this.said.of(one.id).name as string;
    for (const { id, disks } of this.of("image")) this.everImages.set(id, disks);
    this.state = seen.state;
    return wrong;
  }

  write(volume: string, content: Content): void {
    this.things.get(volume)?.disks.set(volume, content);
  }

  private learnVolumes(
    effect: Effect,
    refused: boolean,
    { state }: Seen,
    fresh: ReadonlyMap<string, string>,
    wrong: string[],
  ): void {
    for (const one of Object.values(state.volumes)) {
      if (this.things.has(one.id)) continue;
      const stranger =
        this.strangers.get(one.instance ?? "")?.disks.get(one.device ?? "") ?? this.fileUnder(state, one.head);
      if (stranger !== undefined)
        this.origins.set(one.id, { file: stranger.file, format: stranger.format, instance: one.instance });
      if (stranger !== undefined) this.files.delete(stranger.file);
      const free = (effect.adds ?? []).some(({ kind, name }) => kind === "volume" && name === one.name);
      const made = fresh.has(one.instance ?? "") ? effect.made?.get(one.device ?? "") : effect.made?.get("free");
      const content = stranger?.content ?? (refused ? undefined : made);
      if (content === undefined || (stranger === undefined && !free && !fresh.has(one.instance ?? "")))
        wrong.push(
          `volume ${one.name ?? one.id} (${state.instances[one.instance ?? ""]?.name} ${one.device}) has appeared`,
        );
      const disks = new Map([[one.id, content ?? new Uint8Array(0)]]);
      this.things.set(one.id, { kind: "volume", id: one.id, name: one.name, disks });
    }
    // A disk that was left out is still one of others.
    for (const id of fresh.keys()) {
      for (const [device, file] of this.strangers.get(id)?.disks ?? [])
        if (!Object.values(state.volumes).some((one) => one.instance === id && one.device === device))
          this.files.set(file.file, file);
      this.strangers.delete(id);
    }
  }

  /** The first file of others in a chain of layers. */
  private fileUnder(state: State, head: string): File | undefined {
    for (let layer = state.layers[head]; layer !== undefined; layer = state.layers[layer.parent ?? ""])
      if (this.files.has(layer.file)) return this.files.get(layer.file);
    return undefined;
  }

  private addMade(
    kind: Kind,
    id: string,
    name: string | null,
    effect: Effect,
    devices: readonly string[],
    wrong: string[],
    more: Partial<Thing> = {},
  ): void {
    const disks = new Map<string, Content>();
    for (const device of devices) {
      const content = effect.made?.get(device);
      if (content === undefined) wrong.push(`${kind} ${name} has a disk ${device}`);
      else disks.set(device, content);
    }
    this.things.set(id, { kind, id, name, disks, ...more });
  }

  /** Automatic snapshots go when their time is over, by whichever clock. */
  private hasExpired(id: string): boolean {
    const { expiresAt = null, protected: isProtected = false } = this.state.snapshots[id] ?? {};
    return !isProtected && expiresAt !== null && Date.parse(expiresAt) <= Math.max(Date.now(), realNow());
  }
}
