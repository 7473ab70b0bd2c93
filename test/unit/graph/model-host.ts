/**
 * A machine of a few clusters: files with backing names in their headers, domains with definitions, QEMUs with chains
 * of open files. It refuses what the real one refuses (modes, locks, missing files), and an action can be stopped half
 * way.
 */
import type { Action } from "../../../src/core/model/action.ts";
import type { Extent } from "../../../src/core/model/host.ts";

export const CLUSTER = 65536;
/** A share of a pivoting commit that means: all is moved, QEMU has switched, and nobody has noted it. */
export const UNNOTED_PIVOT = 0.95;

export interface ModelFile {
  readonly clusters: Map<number, number>;
  backing: string | null;
  size: number; // clusters
  mode: number;
}

export class ModelHost {
  readonly files = new Map<string, ModelFile>();
  /** "domain device" → file in the persistent definition. */
  readonly defined = new Map<string, string>();
  /** "domain device" → QEMU's chain, top first, of those that run. */
  readonly qemu = new Map<string, string[]>();
  /** Guests that are paused around a pivot: they write nothing until libvirt's definition names the new file. */
  readonly paused = new Set<string>();
  /** Sizes in clusters of files that are block devices. */
  readonly devices = new Map<string, number>();
  /** Words to lenders that their files are used. */
  readonly marks = new Set<string>();
  /** Every write to a file's data, for the rule about foreign files. */
  onWrite: (path: string) => void = () => {};

  file(path: string): ModelFile {
    const file = this.files.get(path);
    if (file === undefined) throw new Error(`${path} is not there`);
    return file;
  }

  headers(path: string): string[] {
    const chain = [path];
    for (let { backing } = this.file(path); backing !== null; { backing } = this.file(backing)) chain.push(backing);
    return chain;
  }

  read(chain: readonly string[], size: number): number[] {
    return Array.from({ length: size }, (_, cluster) => {
      const holder = chain.find((path) => this.file(path).size > cluster && this.file(path).clusters.has(cluster));
      // What is below may be shorter: beyond its end there is nothing to read.
      return holder === undefined ? 0 : (this.file(holder).clusters.get(cluster) ?? 0);
    });
  }

  start(domain: string): void {
    for (const [disk, path] of this.defined) if (disk.startsWith(`${domain} `)) this.qemu.set(disk, this.headers(path));
    for (const [disk, chain] of this.qemu)
      for (const [other, below] of this.qemu)
        if (disk !== other && below.includes(chain[0] ?? "")) throw new Error(`${disk}: Failed to get "write" lock`);
  }

  stop(domain: string): void {
    this.paused.delete(domain);
    for (const disk of this.qemu.keys()) if (disk.startsWith(`${domain} `)) this.qemu.delete(disk);
  }

  write(path: string, cluster: number, value: number): void {
    const file = this.file(path);
    if ((file.mode & 0o200) === 0) throw new Error(`${path}: Permission denied`);
    if (cluster >= file.size) throw new Error(`${path}: beyond its end`);
    this.onWrite(path);
    file.clusters.set(cluster, value);
  }

  bytes(path: string): number {
    return this.file(path).clusters.size * CLUSTER;
  }

  extents(path: string): Extent[] {
    return [...this.file(path).clusters.keys()].map((cluster) => ({ start: cluster * CLUSTER, length: CLUSTER }));
  }

  /** `share` of the data is moved, and nothing after it, where it is less than 1. */
  perform(action: Action, share = 1): void {
    switch (action.do) {
      case "set-mode":
        if (action.path.startsWith("/hers/")) throw new Error(`${action.path} is not ours`);
        this.file(action.path).mode = action.mode;
        return;
      case "set-owner":
        return;
      case "commit":
        if (this.file(action.top).backing !== action.base) throw new Error(`${action.base} is not under ${action.top}`);
        this.requireNotHeld(action.top);
        this.requireNotHeld(action.base);
        this.copyDown(action.top, action.base, share);
        return;
      case "rebase":
        this.requireNotHeld(action.file);
        this.rebase(action.file, action.backing?.path ?? null, share);
        return;
      case "relink":
        this.requireNotHeld(action.file);
        if ((this.file(action.file).mode & 0o200) === 0) throw new Error(`${action.file}: Permission denied`);
        this.file(action.backing.path);
        this.file(action.file).backing = action.backing.path;
        return;
      case "block-pull":
        this.pull(this.chainOf(action.domain, action.device), action.base, share);
        return;
      case "block-commit":
        this.commitMiddle(this.chainOf(action.domain, action.device), action.top, action.base, share);
        return;
      case "block-commit-active": {
        const chain = this.chainOf(action.domain, action.device);
        if (chain[1] !== action.base) throw new Error(`${action.base} is not under the head`);
        this.requireNotHeld(action.base, chain);
        this.copyDown(chain[0] ?? "", action.base, share);
        if (share < UNNOTED_PIVOT) return;
        chain.shift();
        // libvirtd and we die between QEMU's switch and libvirt's note (LIBVIRT.md, trap 12).
        if (share < 1) this.paused.add(action.domain);
        else this.defined.set(`${action.domain} ${action.device}`, action.base);
        return;
      }
      case "redefine":
        this.paused.delete(action.domain);
        for (const { device, path } of action.disks) this.defined.set(`${action.domain} ${device}`, path);
        return;
      case "mark-use":
        if (action.on) this.marks.add(action.path);
        else this.marks.delete(action.path);
        return;
      case "unlink":
        this.requireNotHeld(action.path);
        if (action.path.startsWith("/vm/") || action.path.startsWith("/hers/"))
          throw new Error(`${action.path} is the user's own`);
        this.files.delete(action.path);
        return;
      default:
        throw new Error(`the graph has no use for ${action.do}`);
    }
  }

  private chainOf(domain: string, device: string): string[] {
    const chain = this.qemu.get(`${domain} ${device}`);
    if (chain === undefined) throw new Error(`${domain} does not run`);
    return chain;
  }

  private requireNotHeld(path: string, except?: readonly string[]): void {
    for (const [disk, chain] of this.qemu)
      if (chain !== except && chain.includes(path)) throw new Error(`${path}: ${disk} holds it`);
  }

  private copyDown(top: string, base: string, share: number): void {
    const room = this.devices.get(base) ?? Number.POSITIVE_INFINITY;
    if (this.file(top).size > room) throw new Error(`${base}: No space left on device`);
    this.file(base).size = Math.max(this.file(base).size, this.file(top).size);
    for (const [cluster, value] of first(this.file(top).clusters, share)) this.write(base, cluster, value);
  }

  private rebase(path: string, backing: string | null, share: number): void {
    const file = this.file(path);
    const [before, after] = [this.headers(path), backing === null ? [path] : [path, ...this.headers(backing)]];
    const [old, now] = [this.read(before, file.size), this.read(after, file.size)];
    const lacking = old.flatMap((value, cluster): [number, number][] =>
      value === now[cluster] ? [] : [[cluster, value]],
    );
    for (const [cluster, value] of first(lacking, share)) this.write(path, cluster, value);
    if (share === 1) file.backing = backing;
  }

  private pull(chain: string[], base: string | null, share: number): void {
    const head = chain[0] ?? "";
    const end = base === null ? chain.length : chain.indexOf(base);
    if (end < 1) throw new Error(`${base} is not in the chain`);
    const between = chain.slice(1, end);
    const clusters = new Set(between.flatMap((path) => [...this.file(path).clusters.keys()]));
    const lacking = [...clusters].filter((cluster) => !this.file(head).clusters.has(cluster));
    const content = this.read(chain, this.file(head).size);
    for (const cluster of first(lacking, share)) this.write(head, cluster, content[cluster] ?? 0);
    if (share < 1) return;
    chain.splice(1, between.length);
    this.file(head).backing = base;
  }

  private commitMiddle(chain: string[], top: string, base: string, share: number): void {
    const at = chain.indexOf(top);
    if (at < 1 || chain[at + 1] !== base) throw new Error(`${top} is not in the middle above ${base}`);
    const overlay = this.file(chain[at - 1] ?? "");
    if ((overlay.mode & 0o200) === 0) throw new Error(`${chain[at - 1]}: Permission denied`);
    this.requireNotHeld(base, chain);
    this.copyDown(top, base, share);
    if (share < 1) return;
    overlay.backing = base;
    chain.splice(at, 1);
  }
}

function first<T>(all: Iterable<T>, share: number): T[] {
  const list = [...all];
  return share < UNNOTED_PIVOT ? list.slice(0, Math.floor(list.length * share)) : list;
}
