/** Where a walk stands: what its moves look at. */
import { join } from "node:path";
import type { Snapshot, Volume } from "../../src/core/model/state.ts";
import { Comparer } from "./compare.ts";
import type { Dice } from "./dice.ts";
import type { Ground } from "./ground.ts";
import { Model, type Thing } from "./model.ts";

export interface Counts {
  steps: number;
  done: number;
  refused: number;
  others: number;
  struck: number;
  heals: number;
  /** Walks that ended early, since only a person could go on. */
  persons: number;
}

export class Scene {
  readonly model = new Model();
  readonly comparer: Comparer;
  readonly ground: Ground;
  readonly counts: Counts = { steps: 0, done: 0, refused: 0, others: 0, struck: 0, heals: 0, persons: 0 };
  /** How often each move was made, and each fault struck. */
  readonly moves = new Map<string, number>();
  readonly faults = new Map<string, number>();
  /** A person's line for each step. */
  readonly history: string[] = [];
  /** UUIDs of guests that run, or stand still. */
  readonly running = new Set<string>();
  /** UUIDs of running guests that were asked to let go of a disk: a reboot does it for them. */
  readonly asked = new Set<string>();
  /** Steps since others' doing, or a death, was not yet mended; null: all agree. */
  unsettled: number | null = null;
  step = 0;
  /** No further step is taken. */
  isOver = false;
  /** Definitions of guests that others have undefined, by UUID: a person has kept them. */
  readonly undefined = new Map<string, string>();

  /** Who makes things of what is lent here. */
  borrower: Scene | null = null;

  private readonly say: (line: string) => void;

  constructor(ground: Ground, say: (line: string) => void = () => undefined) {
    this.ground = ground;
    this.say = say;
    this.comparer = new Comparer(ground);
  }

  /** What this step did, for the history. */
  tell(line: string): void {
    this.history.push(`${this.step}: ${line}`);
    this.say(`${this.step}: ${line}`);
  }

  /** A name that nothing has; the same for the same step. */
  name(prefix: string): string {
    return `${prefix}${this.step}`;
  }

  file(name: string): string {
    return join(this.ground.others, name);
  }

  /** UUID and name of one that is not shelved. */
  instance(dice: Dice, more: (id: string) => boolean = () => true): [id: string, name: string] | undefined {
    const { instances } = this.model.state;
    const all = [...this.model.instances].filter(([id]) => instances[id]?.shelved === null && more(id));
    return dice.pick(all.sort(byName));
  }

  /** Its UUID, whether it was adopted or not. */
  idOf(name: string): string | undefined {
    const all = [...this.model.instances, ...[...this.model.strangers].map(([id, one]) => [id, one.name] as const)];
    return all.find(([, one]) => one === name)?.[0];
  }

  /** One whose domain is there. */
  defined(dice: Dice, more: (id: string) => boolean = () => true): [id: string, name: string] | undefined {
    return this.instance(dice, (id) => !this.undefined.has(id) && more(id));
  }

  shelved(dice: Dice): [id: string, name: string] | undefined {
    const { instances } = this.model.state;
    return dice.pick([...this.model.instances].filter(([id]) => instances[id]?.shelved != null).sort(byName));
  }

  snapshot(dice: Dice, more: (one: Snapshot) => boolean = () => true): Snapshot | undefined {
    const all = Object.values(this.model.state.snapshots).filter(more);
    return dice.pick(all.sort((a, b) => order(a.name, b.name)));
  }

  volume(dice: Dice, more: (one: Volume) => boolean): Volume | undefined {
    const all = Object.values(this.model.state.volumes).filter(more);
    return dice.pick(all.sort((a, b) => order(this.volumeName(a), this.volumeName(b))));
  }

  thing(kind: Thing["kind"], dice: Dice, more: (one: Thing) => boolean = () => true): Thing | undefined {
    const all = this.model.of(kind).filter(more);
    return dice.pick(all.sort((a, b) => order(a.name ?? "", b.name ?? "")));
  }

  volumeName({ name, id, instance, device }: Volume): string {
    if (name !== null) return name;
    const owner = this.model.instances.get(instance ?? "");
    return owner === undefined || device === null ? id : `${owner}/${device}`;
  }

  snapshotName({ automatic, id, name, instance, volume }: Snapshot): string {
    if (automatic) return id;
    const owner = this.model.instances.get(instance ?? "");
    if (owner !== undefined) return `${owner}/${name}`;
    const of = this.model.state.volumes[volume ?? ""];
    return of?.name != null ? `${of.name}/${name}` : id;
  }

  isLocked(layer: string): boolean {
    return this.model.state.layers[layer]?.secret != null;
  }

  isLockedInstance(id: string): boolean {
    return Object.values(this.model.state.volumes).some((one) => one.instance === id && this.isLocked(one.head));
  }

  target(dice: Dice): string {
    return this.ground.targets[dice.below(2)] as string;
  }
}

const order = (a: string, b: string) => (a < b ? -1 : 1);
const byName = ([, a]: [string, string], [, b]: [string, string]) => order(a, b);
