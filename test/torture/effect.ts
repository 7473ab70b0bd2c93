/** What one step may change of what is there. */
import type { State } from "../../src/core/model/state.ts";
import type { Content, Format } from "./content.ts";

export type Kind = "volume" | "snapshot" | "image" | "backup";
/** Of what is nothing but what is said of it. */
export type RecordKind = "schedule" | "keypair" | "flavor";

export type Outcome = "done" | "refused" | "unknown";

/** What is said of a thing, beyond what it holds, by the state's own keys. */
export type Said = Readonly<Record<string, unknown>>;

export interface File {
  readonly file: string;
  readonly format: Format;
  readonly content: Content;
}

export interface Added {
  readonly kind: Kind | RecordKind;
  /** Null: whichever it gets. */
  readonly name: string | null;
  /** What is said of it from the first. */
  readonly says?: Said;
}

export interface Effect {
  /** What is there when it was reported done, by name. */
  readonly adds?: readonly Added[];
  /** What new things hold, by device: an image, a backup, the volumes of a new instance, a free volume ("free"). */
  readonly made?: ReadonlyMap<string, Content>;
  /** A new instance of that name. */
  readonly instance?: string;
  /** Ids that are gone when it was reported done. */
  readonly removes?: readonly string[];
  /** Ids that may be. */
  readonly mayRemove?: readonly string[];
  /** What volumes hold afterwards, by id. */
  readonly writes?: ReadonlyMap<string, Content>;
  /** What is said of things afterwards, by id: what changes. */
  readonly says?: ReadonlyMap<string, Said>;
  /** A snapshot of what was before is kept. */
  readonly automatic?: boolean;
  /** Done to the model when an instance that was to go has gone, by what is left. */
  readonly gone?: (state: State) => void;
  /** Of a new backup: the volumes by device. */
  readonly volumes?: ReadonlyMap<string, string>;
}
