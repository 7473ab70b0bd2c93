/**
 * A model of estrato on the model host: the state, the verbs, a collector that can be killed, and what every pointer
 * ought to read.
 */
import { collect, nextStep } from "../../../src/core/graph/collect.ts";
import type { Free, Holder, Merge, ResumeFacts } from "../../../src/core/graph/decisions.ts";
import { type Effects, mergeEffects } from "../../../src/core/graph/effects.ts";
import { findings } from "../../../src/core/graph/invariants.ts";
import { chain, children, type Pointer } from "../../../src/core/graph/references.ts";
import { resumeMerge } from "../../../src/core/graph/resume.ts";
import type { Action } from "../../../src/core/model/action.ts";
import type { Layer, State, Volume } from "../../../src/core/model/state.ts";
import { addGuest, addImage, addLayer, addSnapshot, addVolume, emptyState, FOREIGN } from "./build.ts";
import { CLUSTER, ModelHost } from "./model-host.ts";

/** What the file of another user holds: no guest writes that, or a merge would find it written already. */
const HERS = 1_000_000;

/** Where a kill strikes: after so many actions, in the middle of the next. */
export interface Kill {
  readonly after: number;
  readonly share: number;
}

class Killed extends Error {}

export class Estate {
  readonly host = new ModelHost();
  readonly state: State = emptyState();
  /** Pointer id → what it must read. */
  readonly expected = new Map<string, number[]>();
  /**
   * What others read behind our back: image id → each file of its chain, as it was when it was lent; and what we
   * borrow.
   */
  readonly lent = new Map<string, string>();
  journal: { readonly decision: Merge | Free; readonly cleanup: readonly Action[] } | null = null;
  private count = 0;

  constructor() {
    this.host.onWrite = (path) => this.checkForeign(path);
  }

  id(prefix: string): string {
    return `${prefix}${++this.count}`;
  }

  // The verbs.

  adopt(size: number, device: boolean): void {
    const id = this.id("D");
    const path = `/vm/${id}`;
    addLayer(this.state, id, null, { file: path, format: "raw", foreign: FOREIGN, sizeBytes: size * CLUSTER });
    this.host.files.set(path, { clusters: new Map(), backing: null, size, mode: FOREIGN.mode });
    if (device) this.host.devices.set(path, size);
    this.attach(id, this.id("guest"), "vda", Array(size).fill(0));
  }

  /** A guest, or a free volume, on somebody else's image. */
  borrow(size: number, isFree: boolean): void {
    const id = this.id("loan");
    const path = `/hers/${Math.floor(size / 2)}`; // several loans may be of one file
    if (!this.host.files.has(path)) {
      this.host.files.set(path, { clusters: new Map([[0, HERS]]), backing: null, size: 2, mode: 0o444 });
      this.lent.set(path, this.told([path]));
    }
    const borrowed = { image: "img", name: "golden", owner: "alice", depth: 1, marker: `/marks/${id}` };
    this.host.perform({ do: "mark-use", path: borrowed.marker, on: true });
    addLayer(this.state, id, null, { file: path, sizeBytes: 2 * CLUSTER, borrowed });
    const head = this.head(id, size);
    const content = grown([HERS, 0], size);
    if (!isFree) {
      this.attach(head, this.id("guest"), "vda", content);
      return;
    }
    const volume = this.id("vol");
    addVolume(this.state, volume, head);
    this.expected.set(volume, content);
  }

  /** Lends an image, or takes it back. Never while a merge is under way: the real one refuses. */
  lend(n: number): void {
    const images = Object.values(this.state.images);
    const image = images[n % Math.max(1, images.length)];
    if (image === undefined || this.journal !== null) return;
    const layers = chain(this.state, image.disks[0]?.layer ?? "").map((id) => this.layer(id));
    if (layers.some(({ foreign, borrowed }) => foreign !== null || borrowed !== undefined)) return;
    image.visibility = image.visibility === "private" ? "public" : "private";
    if (image.visibility === "private") this.lent.delete(image.id);
    else this.lent.set(image.id, this.told(layers.map(({ file }) => file)));
  }

  private told(paths: readonly string[]): string {
    const files = paths.map((path) => [
      path,
      { ...this.host.file(path), clusters: [...this.host.file(path).clusters] },
    ]);
    return JSON.stringify(files);
  }

  create(size: number): void {
    this.attach(this.head(null, size), this.id("guest"), "vda", Array(size).fill(0));
  }

  /** A new guest, a second disk of a stopped guest, or a free volume, from a snapshot or an image. */
  clone(source: { id: string; layer: string }, onto: string | null | "new", more: number): void {
    const size = this.clusters(source.layer) + more;
    const head = this.head(source.layer, size);
    const content = grown(this.expected.get(source.id) ?? [], size);
    if (onto === null) {
      const id = this.id("vol");
      addVolume(this.state, id, head);
      this.expected.set(id, content);
    } else if (onto === "new") this.attach(head, this.id("guest"), "vda", content);
    else this.attach(head, onto, this.id("vd"), content);
  }

  write(volume: Volume, cluster: number, value: number): void {
    const path = this.topOf(volume);
    const content = this.expected.get(volume.id) ?? [];
    const at = cluster % content.length;
    this.host.write(path, at, value);
    content[at] = value;
  }

  snapshot(volume: Volume): void {
    const old = this.layer(volume.head);
    volume.head = this.head(old.id, this.clusters(old.id));
    this.freeze(old);
    this.switchDisk(volume);
    const id = this.id("snap");
    addSnapshot(this.state, id, [old.id]);
    this.expected.set(id, [...(this.expected.get(volume.id) ?? [])]);
  }

  image(source: { id: string; layer: string }): void {
    const id = this.id("img");
    addImage(this.state, id, [source.layer]);
    this.expected.set(id, [...(this.expected.get(source.id) ?? [])]);
  }

  revert(volume: Volume, source: { id: string; layer: string }): void {
    if (this.running(volume)) return;
    const old = this.layer(volume.head);
    const size = Math.max(this.clusters(source.layer), this.clusters(old.id));
    const undo = this.id("snap");
    addSnapshot(this.state, undo, [old.id], { automatic: true });
    this.expected.set(undo, [...(this.expected.get(volume.id) ?? [])]);
    volume.head = this.head(source.layer, size);
    this.freeze(old);
    this.switchDisk(volume);
    this.expected.set(volume.id, grown(this.expected.get(source.id) ?? [], size));
  }

  grow(volume: Volume): void {
    const head = this.layer(volume.head);
    if (this.running(volume) || this.host.devices.has(head.file)) return;
    head.sizeBytes += CLUSTER;
    this.host.file(head.file).size++;
    this.expected.get(volume.id)?.push(0);
  }

  drop({ kind, id }: Pointer): boolean {
    const volume = this.state.volumes[id];
    if (volume !== undefined && this.running(volume)) return false;
    if (volume?.instance) this.host.defined.delete(diskOf(volume));
    delete this.state[kind === "volume" ? "volumes" : kind === "image" ? "images" : "snapshots"][id];
    this.expected.delete(id);
    this.lent.delete(id);
    return true;
  }

  running(volume: Volume): boolean {
    return this.host.qemu.has(diskOf(volume));
  }

  stopAll(): void {
    this.host.qemu.clear();
    this.host.paused.clear();
  }

  // The collector.

  facts(): ResumeFacts {
    const own = Object.values(this.state.layers).filter(({ borrowed }) => borrowed === undefined);
    const byFile = new Map(own.map(({ id, file }) => [file, id]));
    const holders = new Map<string, Holder[]>();
    for (const [disk, chain] of this.host.qemu) {
      const [instance = "", device = ""] = disk.split(" ");
      for (const [index, path] of chain.entries()) {
        const id = byFile.get(path);
        if (path.startsWith("/hers/")) continue;
        if (id === undefined) throw new Error(`${disk} runs on ${path}, which no layer is`);
        const holder: Holder = { instance, device, role: index === 0 ? "head" : "backing" };
        holders.set(id, [...(holders.get(id) ?? []), holder]);
      }
    }
    return {
      holders,
      ownBytes: (id) => this.host.bytes(this.layer(id).file),
      deviceBytes: (id) => this.deviceBytes(this.layer(id).file),
      definedFile: (instance, device) => this.host.defined.get(`${instance} ${device}`) ?? null,
    };
  }

  /** One free or merge; false where all is quiet. A kill leaves the journal behind. */
  step(kill: Kill | null): boolean {
    const decision = nextStep(collect(this.state, this.facts()));
    if (decision === undefined) return false;
    const effects = mergeEffects(this.state, decision);
    for (const id of effects.marks) this.layer(id).busy = "op";
    this.journal = { decision, cleanup: effects.cleanup };
    this.carryOut(effects, kill);
    return true;
  }

  quiet(): void {
    while (this.step(null));
  }

  /** False where guests must stop first. Can be killed again. */
  recover(kill: Kill | null): boolean {
    if (this.journal === null) return true;
    const { decision, cleanup } = this.journal;
    const left = decision.kind === "merge" ? resumeMerge(this.state, this.facts(), decision) : decision;
    if (left?.kind === "defer") return false;
    if (left !== null && this.state.layers[left.layer]) this.carryOut(mergeEffects(this.state, left), kill);
    else this.finish(cleanup);
    return true;
  }

  private carryOut(effects: Effects, kill: Kill | null): void {
    for (const disk of this.host.qemu.keys()) this.checkLock(disk, effects);
    try {
      let left = kill?.after ?? Number.POSITIVE_INFINITY;
      for (const action of [...effects.work, ...effects.settle]) {
        if (left-- <= 0) {
          this.host.perform(action, kill?.share);
          throw new Killed();
        }
        this.host.perform(action);
      }
      if (left-- <= 0) throw new Killed();
      effects.after(this.state);
      if (left-- <= 0) throw new Killed();
      this.finish(effects.cleanup);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }

  private finish(cleanup: readonly Action[]): void {
    for (const action of cleanup) this.host.perform(action);
    this.journal = null;
  }

  // What must be true.

  /** Each pointer reads what it read; with nothing pending, the graph and the machine agree too. */
  check(): void {
    for (const [id, content] of this.expected) {
      const volume = this.state.volumes[id];
      const chain = volume
        ? (this.host.qemu.get(diskOf(volume)) ?? this.host.headers(this.topOf(volume)))
        : this.host.headers(this.layer(this.layerOf(id)).file);
      const read = this.host.read(chain, content.length);
      if (read.join() !== content.join()) throw new Error(`${id} reads ${read}, not ${content}`);
    }
    for (const [id, told] of this.lent) {
      const paths = (JSON.parse(told) as [string][]).map(([path]) => path);
      if (this.told(paths) !== told) throw new Error(`${id} is lent, and a file of it has changed`);
    }
    if (this.journal !== null) return;
    const words = Object.values(this.state.layers).flatMap(({ borrowed }) => borrowed?.marker ?? []);
    if (words.sort().join() !== [...this.host.marks].sort().join()) throw new Error("a lender is told what is not so");
    const broken = findings(this.state);
    if (broken.length > 0) throw new Error(broken.join("; "));
    for (const layer of Object.values(this.state.layers)) this.checkLayer(layer);
  }

  private checkLayer(layer: Layer): void {
    const file = this.host.file(layer.file);
    const below = layer.parent === null ? null : this.layer(layer.parent).file;
    if (file.backing !== below) throw new Error(`${layer.id}: its header says ${file.backing}, not ${below}`);
    const mode = layer.foreign?.mode ?? 0o600;
    if (layer.borrowed !== undefined) return;
    if (file.mode !== (layer.frozen ? mode & (layer.foreign === null ? 0o400 : ~0o222) : mode))
      throw new Error(`${layer.id}: mode ${file.mode.toString(8)}`);
    if (layer.busy !== null) throw new Error(`${layer.id} is still marked`);
    for (const volume of Object.values(this.state.volumes))
      if (volume.instance && volume.head === layer.id && this.host.defined.get(diskOf(volume)) !== layer.file)
        throw new Error(`${volume.id} is defined with another file`);
  }

  private checkForeign(path: string): void {
    const layer = Object.values(this.state.layers).find((one) => one.file === path && one.foreign !== null);
    if (layer !== undefined && children(this.state, layer.id).length > 1) throw new Error(`${path} is not ours alone`);
  }

  /** Whoever has one of the marked layers open must be locked, unless the file is not touched at all. */
  private checkLock(disk: string, effects: Effects): void {
    const own = effects.marks.filter((id) => this.layer(id).borrowed === undefined);
    const marked = own.map((id) => this.layer(id).file);
    const open = (this.host.qemu.get(disk) ?? []).some((path) => marked.includes(path));
    if (open && !effects.locks.includes(disk.split(" ")[0] ?? "")) throw new Error(`${disk} is not locked`);
  }

  // Small change.

  layer(id: string): Layer {
    const layer = this.state.layers[id];
    if (layer === undefined) throw new Error(`no layer ${id}`);
    return layer;
  }

  private deviceBytes(path: string): number | null {
    const size = this.host.devices.get(path);
    return size === undefined ? null : size * CLUSTER;
  }

  private layerOf(id: string): string {
    return (this.state.snapshots[id] ?? this.state.images[id])?.disks[0]?.layer ?? "";
  }

  private clusters(id: string): number {
    return this.layer(id).sizeBytes / CLUSTER;
  }

  private topOf(volume: Volume): string {
    const disk = diskOf(volume);
    return this.host.qemu.get(disk)?.[0] ?? this.host.defined.get(disk) ?? this.layer(volume.head).file;
  }

  private head(parent: string | null, size: number): string {
    const layer = addLayer(this.state, this.id("L"), parent, { sizeBytes: size * CLUSTER, frozen: false });
    const backing = parent === null ? null : this.layer(parent).file;
    this.host.files.set(layer.file, { clusters: new Map(), backing, size, mode: 0o600 });
    return layer.id;
  }

  private freeze(layer: Layer): void {
    layer.frozen = true;
    this.host.file(layer.file).mode = layer.foreign === null ? 0o400 : layer.foreign.mode & ~0o222;
  }

  private attach(head: string, guest: string, device: string, content: number[]): void {
    const volume = addGuest(this.state, guest, head, device);
    this.host.defined.set(`${guest} ${device}`, this.layer(head).file);
    this.expected.set(volume.id, content);
  }

  private switchDisk(volume: Volume): void {
    if (volume.instance === null) return;
    const path = this.layer(volume.head).file;
    this.host.defined.set(diskOf(volume), path);
    this.host.qemu.get(diskOf(volume))?.unshift(path);
  }
}

function diskOf({ instance, device }: Volume): string {
  return `${instance} ${device}`;
}

function grown(content: readonly number[], size: number): number[] {
  return Array.from({ length: size }, (_, cluster) => content[cluster] ?? 0);
}
