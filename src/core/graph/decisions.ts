/** The words in which the collector is told what is, and says what is to be done. */

/** A running guest's disk that has the file of a layer open: QEMU's word, not the definition's. */
export interface Holder {
  readonly instance: string; // UUID
  readonly device: string; // vda
  /** "head": the guest writes it. "backing": it lies somewhere below what the guest writes. */
  readonly role: "head" | "backing";
  /**
   * Why nothing may be moved under this guest now, in words of their own: "a block job is under way", "libvirt names
   * another file than QEMU", "QEMU does not answer". A guest that is off is handed in too, with `blocked`, on all
   * layers of its chain, where something of its own would break: a managed save, snapshots or checkpoints of libvirt's,
   * an operation in the journal that has not ended.
   */
  readonly blocked?: string;
}

/** What the graph itself cannot know. Asked under the locks, just before. */
export interface CollectFacts {
  /** By layer id. A layer that nobody holds may be missing. */
  readonly holders: ReadonlyMap<string, readonly Holder[]>;
  /** Allocated bytes of the layer's own file. */
  ownBytes(layer: string): number;
  /** The size of the block device that the layer's bytes lie on; null for a regular file, which can grow. */
  deviceBytes(layer: string): number | null;
  /** Whether the layer's own file is there: a disk may not be mounted. Left out: nobody looked, and all are. */
  isThere?(layer: string): boolean;
  /** The layer of another user's that is to be pulled in: all others are stood on where they lie. */
  readonly pulledIn?: string;
  /**
   * Who names a layer's file and is no volume of ours, in words ("instance web1 vda"): a domain that is not adopted,
   * whatever its disk stands on. Left out: nobody was asked, and nothing may be carried out.
   */
  outsiders?(layer: string): readonly string[];
}

/** Besides, what only recovery asks. */
export interface ResumeFacts extends CollectFacts {
  /** The file that the persistent definition names for a disk; null where there is no such domain or disk. */
  definedFile(instance: string, device: string): string | null;
}

/**
 * Nothing stands on it and nothing points at it: its file goes. A foreign file stays, gets its owner and mode back, and
 * is forgotten; a borrowed one is only forgotten.
 */
export interface Free {
  readonly kind: "free";
  readonly layer: string;
}

/**
 * The layer and the only one that stands on it become one; the upper one's id lives on. Plain data: the journal holds
 * it.
 */
export interface Merge {
  readonly kind: "merge";
  /** The layer that goes: nothing points at it. */
  readonly layer: string;
  /** The only layer that stands on it. */
  readonly child: string;
  /**
   * "up": the child's file absorbs the layer's data. "down": the child's data goes into the layer's file, which is the
   * child's from then on.
   */
  readonly way: "up" | "down";
  /** The running guest's disk that does it by a block job; null: qemu-img does it, nobody runs on it. */
  readonly live: { readonly instance: string; readonly device: string } | null;
  /** The child is a volume's head. With "down" and `live`: commit --active and a pivot. */
  readonly head: boolean;
  /**
   * Layers on the child whose header is not ours to write: QEMU re-points them itself, or has done so. Only with
   * "down".
   */
  readonly carried: readonly string[];
  /** Recovery found the data moved already: it must not be moved again, a guest may have written since. */
  readonly moved: boolean;
  /** What has to be moved, at most. */
  readonly bytes: number;
}

/**
 * Of recovery only: a merge "up" that a guest, started meanwhile, keeps from going on, or that takes in what is
 * borrowed, is given up: half of it absorbed, the child reads the same.
 */
export interface Abandon {
  readonly kind: "abandon";
  readonly layer: string;
  readonly child: string;
  /** Nobody holds the child, and its header may have been switched already: it is to name the layer again. */
  readonly relink: boolean;
}

/** It stays, hidden, until the graph changes. */
export interface Keep {
  readonly kind: "keep";
  readonly layer: string;
  readonly because: "shared" | "lent" | "named" | "borrowed" | "foreign" | "encryption" | "size" | "damaged";
  readonly reason: string;
  readonly by: readonly string[];
}

/** It could go, but not now: the same question gets another answer once those in `by` have stopped. */
export interface Defer {
  readonly kind: "defer";
  readonly layer: string;
  readonly reason: string;
  /** Who stands in the way: "instance web1 vda". */
  readonly by: readonly string[];
}

export type Decision = Free | Merge | Keep | Defer;
