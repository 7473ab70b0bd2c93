/**
 * A model of what a disk holds after a power cut: by the book (fsync(2), rename(2)) the content of a file is there when
 * the file was synced, and its name when its folder was; of all else, what was done up to some instant.
 */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export interface Node {
  readonly kind: "file" | "folder" | "other";
  /** Where it lay before, in the copy of then. */
  readonly before: string | null;
  /** As processes see it, and as it is on the disk. */
  readonly seen: Side;
  readonly kept: Side;
}

interface Side {
  bytes: Buffer | null;
  entries: Map<string, Node>;
}

interface Change {
  /** Whose sync puts it on the disk. */
  readonly of: readonly Node[];
  readonly apply: (side: "seen" | "kept") => void;
  isSynced: boolean;
}

const NO_BYTES = Buffer.alloc(0);

export class Disk {
  readonly root: Node;
  private readonly folder: string;
  private readonly copy: string;
  private readonly changes: Change[] = [];
  /** Where the next write(2) of a file goes. */
  private readonly at = new Map<Node, number>();

  /** `copy` is what `folder` was before the calls. */
  constructor(folder: string, copy: string) {
    this.folder = folder;
    this.copy = copy;
    this.root = this.loaded(copy);
  }

  /** How many changes there were. */
  get length(): number {
    return this.changes.length;
  }

  private loaded(path: string): Node {
    const found = lstatSync(path);
    const kind = found.isDirectory() ? "folder" : found.isFile() ? "file" : "other";
    const entries =
      kind === "folder" ? readdirSync(path).map((name) => [name, this.loaded(join(path, name))] as const) : [];
    return {
      kind,
      before: path,
      seen: { bytes: null, entries: new Map(entries) },
      kept: { bytes: null, entries: new Map(entries) },
    };
  }

  find(path: string | null): Node | undefined {
    if (path === null || (path !== this.folder && !path.startsWith(`${this.folder}/`))) return undefined;
    let node: Node | undefined = this.root;
    for (const name of path.slice(this.folder.length + 1).split("/"))
      if (name !== "") node = node?.seen.entries.get(name);
    return node;
  }

  private change(of: readonly Node[], apply: Change["apply"]): void {
    apply("seen");
    this.changes.push({ of, apply, isSynced: false });
  }

  opened(path: string, flags: string): void {
    if (flags.includes("O_CREAT") && this.find(path) === undefined) this.name(path, fresh("file"));
    const node = this.find(path);
    if (node?.kind !== "file" || !/O_WRONLY|O_RDWR|O_TRUNC/.test(flags)) return;
    if (flags.includes("O_TRUNC")) this.resize(node, 0);
    this.at.set(node, flags.includes("O_APPEND") ? this.bytes(node, "seen").length : 0);
  }

  bytes(node: Node, side: "seen" | "kept"): Buffer {
    node[side].bytes ??= node.before === null ? NO_BYTES : readFileSync(node.before);
    return node[side].bytes ?? NO_BYTES;
  }

  write(node: Node | undefined, offsetBytes: number | null, bytes: Buffer): void {
    if (node === undefined) return;
    const at = offsetBytes ?? this.at.get(node) ?? 0;
    if (offsetBytes === null) this.at.set(node, at + bytes.length);
    this.change([node], (side) => {
      const longer = this.grown(node, side, at + bytes.length);
      bytes.copy(longer, at);
    });
  }

  /** A buffer of its own, at least so long. */
  private grown(node: Node, side: "seen" | "kept", length: number): Buffer {
    const now = this.bytes(node, side);
    const longer = Buffer.alloc(Math.max(now.length, length));
    now.copy(longer);
    node[side].bytes = longer;
    return longer;
  }

  copied(from: Node | undefined, at: number | null, to: Node | undefined, to_: number | null, length: number): void {
    if (to === undefined || length === 0) return;
    if (from === undefined) throw new Error("power cut: bytes were copied from a file that is not watched");
    this.write(to, to_, Buffer.from(this.bytes(from, "seen").subarray(at ?? 0, (at ?? 0) + length)));
  }

  resize(node: Node | undefined, length: number): void {
    if (node === undefined) return;
    this.change([node], (side) => {
      const now = this.bytes(node, side);
      node[side].bytes = Buffer.concat([now.subarray(0, length), Buffer.alloc(Math.max(0, length - now.length))]);
    });
  }

  zero(node: Node | undefined, mode: string, at: number, length: number): void {
    if (node === undefined) return;
    const zeroes = /PUNCH_HOLE|ZERO_RANGE/.test(mode);
    this.change([node], (side) => {
      const longer = this.grown(node, side, mode.includes("KEEP_SIZE") ? 0 : at + length);
      if (zeroes) longer.fill(0, at, Math.min(longer.length, at + length));
    });
  }

  name(path: string, node: Node | null): void {
    const folder = this.find(dirname(path));
    if (folder === undefined) return;
    const name = basename(path);
    this.change([folder], (side) => {
      if (node === null) folder[side].entries.delete(name);
      else folder[side].entries.set(name, node);
    });
  }

  link(from: string, to: string): void {
    const node = this.find(from);
    if (node !== undefined) this.name(to, node);
  }

  rename(from: string, to: string, flags: string): void {
    if (flags.includes("EXCHANGE")) throw new Error("power cut: an exchange of names");
    const [source, target] = [this.find(dirname(from)), this.find(dirname(to))];
    const node = this.find(from);
    if (source === undefined || target === undefined || node === undefined) {
      if (node === undefined && target !== undefined) throw new Error(`power cut: ${from} was not watched`);
      return;
    }
    this.change([source, target], (side) => {
      source[side].entries.delete(basename(from));
      target[side].entries.set(basename(to), node);
    });
  }

  syncAll(): void {
    for (const change of this.changes) change.isSynced = true;
  }

  sync(node: Node | undefined): void {
    if (node === undefined) return;
    for (const change of this.changes) if (change.of.includes(node)) change.isSynced = true;
  }

  /** What is kept: all that was synced, and of the rest what was done before the `upTo`th change. */
  cut(upTo: number): void {
    for (const [index, { isSynced, apply }] of this.changes.entries()) if (isSynced || index < upTo) apply("kept");
  }
}

export const fresh = (kind: "file" | "folder"): Node => ({
  kind,
  before: null,
  seen: { bytes: null, entries: new Map() },
  kept: { bytes: null, entries: new Map() },
});
