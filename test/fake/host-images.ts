/** Simulated image files: chains of clusters, locks as QEMU takes them, and merges that really move content. */

import type { ChainFile, Extent, ImageInfo } from "../../src/core/model/host.ts";
import { EstratoError } from "../../src/errors.ts";
import { CLUSTER_BYTES, type ClusterValue, type FakeFile, type FakeMachine } from "./host-machine.ts";

/** What a disk reads as: cluster → word. Clusters of zeros are left out. */
export type Content = Record<number, string>;

/** How far a step came: killed in the middle of it, or done. */
export type Reach = "half" | "whole";

export function fileAt(machine: FakeMachine, path: string): FakeFile {
  const file = machine.files.get(path);
  if (!file) throw new EstratoError("failed", `qemu-img: Could not open '${path}': No such file or directory`);
  return file;
}

/** Of the file itself: its tables, and what it holds. */
export function bytesOf({ format, sizeBytes, clusters }: FakeFile): number {
  return format === "raw" ? sizeBytes : clusters.size * CLUSTER_BYTES + 196_608;
}

/** The file and all that it stands on, top first. "failed" where one is missing. */
export function chainAt(machine: FakeMachine, path: string): string[] {
  const chain: string[] = [];
  for (let at: string | null = path; at !== null; at = fileAt(machine, at).backing?.path ?? null) {
    if (chain.includes(at)) throw new Error(`fake host: ${at} stands on itself`);
    chain.push(at);
  }
  return chain;
}

/** The same for each name of one file: two paths with one value of the map. Null where there is none. */
export function identityAt(machine: FakeMachine, path: string): string | null {
  const file = machine.files.get(path);
  if (file === undefined) return null;
  for (const [first, other] of machine.files) if (other === file) return `file ${first}`;
  return null;
}

/** As ImagePort has it. */
export function chainFiles(machine: FakeMachine, path: string, format: string): ChainFile[] {
  const chain: ChainFile[] = [];
  for (let next: { path: string; format: string | null } | null = { path, format }; next !== null; ) {
    const identity = identityAt(machine, next.path);
    const file: FakeFile | undefined = machine.files.get(next.path);
    const { encrypted = false, passphrase = null, backing = null } = file ?? {};
    if (identity === null && chain.length === 0) return [];
    chain.push({ ...next, identity, encrypted: encrypted || passphrase !== null, fault: null });
    const reads: boolean = next.format === null || next.format === "qcow2";
    next = reads && backing !== null ? { path: backing.path, format: backing.format || null } : null;
  }
  return chain;
}

/** What a chain of files reads as, whatever their headers say. */
export function readChain(machine: FakeMachine, chain: readonly string[]): Map<number, string> {
  const content = new Map<number, ClusterValue>();
  for (const path of chain) {
    for (const [cluster, value] of fileAt(machine, path).clusters) {
      if (!content.has(cluster)) content.set(cluster, value);
    }
  }
  const limit = Math.ceil(fileAt(machine, chain[0] ?? "").sizeBytes / CLUSTER_BYTES);
  return new Map([...content].filter((entry): entry is [number, string] => entry[1] !== null && entry[0] < limit));
}

export function readContent(machine: FakeMachine, path: string): Content {
  return Object.fromEntries([...readChain(machine, chainAt(machine, path))].sort(([a], [b]) => a - b));
}

/** Who has the file open: a writer (the head of a running guest), readers only, or nobody. */
export function holders(machine: FakeMachine, path: string): { writers: number; readers: number } {
  let writers = 0;
  let readers = 0;
  for (const domain of machine.domains.values()) {
    if (domain.unused.includes(path)) writers += 1;
    for (const disk of domain.open) {
      const place = disk.chain.indexOf(path);
      if (place === 0 && !disk.readonly) writers += 1;
      else if (place >= 0) readers += 1;
    }
  }
  return { writers, readers };
}

function lockError(kind: string, path: string): EstratoError {
  return new EstratoError("conflict", `qemu-img: ${path}: Failed to get ${kind} lock`, {
    hint: "A guest or another program has the image open.",
  });
}

export function requireReadable(machine: FakeMachine, path: string): void {
  for (const each of chainAt(machine, path)) {
    if (holders(machine, each).writers > 0) throw lockError('shared "write"', each);
  }
}

/** Nobody else may have it open, and it may not be frozen. */
export function requireWritable(machine: FakeMachine, path: string): void {
  requireUnfrozen(machine, path);
  const { writers, readers } = holders(machine, path);
  if (writers + readers > 0) throw lockError('"write"', path);
}

export function requireUnfrozen(machine: FakeMachine, path: string): void {
  if ((fileAt(machine, path).mode & 0o200) === 0) {
    throw new EstratoError("conflict", `${path}: the file is frozen (mode 0400)`);
  }
}

export function newFile(fields: Partial<FakeFile>): FakeFile {
  return {
    format: "qcow2",
    sizeBytes: 0,
    backing: null,
    clusters: new Map(),
    text: null,
    memory: null,
    mode: 0o600,
    uid: 0,
    gid: 0,
    encrypted: false,
    passphrase: null,
    isBlockDevice: false,
    faults: 0,
    ...fields,
  };
}

/** The first half of what is to be moved, or all of it: a merge that is killed has moved a part. */
function part<T>(entries: readonly T[], reach: Reach): readonly T[] {
  return reach === "whole" ? entries : entries.slice(0, Math.ceil(entries.length / 2));
}

/** What the layers hold goes into `base`; the topmost counts. */
export function commitInto(machine: FakeMachine, layers: readonly string[], base: string, reach: Reach): void {
  const target = fileAt(machine, base);
  const moved = new Map<number, ClusterValue>();
  for (const path of layers) {
    for (const [cluster, value] of fileAt(machine, path).clusters) {
      if (!moved.has(cluster)) moved.set(cluster, value);
    }
  }
  for (const [cluster, value] of part([...moved], reach)) target.clusters.set(cluster, value);
  const sizes = layers.map((path) => fileAt(machine, path).sizeBytes);
  target.sizeBytes = Math.max(target.sizeBytes, ...sizes);
}

/**
 * The file gets all by which its old backing differs from the new one; then, if it comes to that, its header is
 * switched.
 */
export function rebaseOnto(machine: FakeMachine, path: string, backing: FakeFile["backing"], reach: Reach): void {
  const file = fileAt(machine, path);
  const before = file.backing ? readChain(machine, chainAt(machine, file.backing.path)) : new Map<number, string>();
  const after = backing ? readChain(machine, chainAt(machine, backing.path)) : new Map<number, string>();
  const differing = [...new Set([...before.keys(), ...after.keys()])].filter(
    (cluster) => !file.clusters.has(cluster) && before.get(cluster) !== after.get(cluster),
  );
  for (const cluster of part(differing, reach)) file.clusters.set(cluster, before.get(cluster) ?? null);
  if (reach === "whole") file.backing = backing;
}

export function infoOf(machine: FakeMachine, path: string): ImageInfo {
  const file = fileAt(machine, path);
  return {
    path,
    format: file.format,
    virtualSizeBytes: file.sizeBytes,
    actualSizeBytes: file.clusters.size * CLUSTER_BYTES,
    backing: file.backing?.path ?? null,
    backingFormat: file.backing?.format ?? null,
    encrypted: file.encrypted || file.passphrase !== null,
    dirty: false,
    internalSnapshots: 0,
  };
}

export function extentsOf(machine: FakeMachine, path: string, only?: "data"): Extent[] {
  const file = fileAt(machine, path);
  const extents: Extent[] = [];
  for (const [cluster, value] of [...file.clusters].sort(([a], [b]) => a - b)) {
    if ((file.format === "raw" || only === "data") && value === null) continue;
    const start = cluster * CLUSTER_BYTES;
    const last = extents.at(-1);
    if (last && last.start + last.length === start) {
      extents[extents.length - 1] = { start: last.start, length: last.length + CLUSTER_BYTES };
    } else {
      extents.push({ start, length: CLUSTER_BYTES });
    }
  }
  return extents;
}
