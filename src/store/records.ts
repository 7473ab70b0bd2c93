/** Small files that the state names: definitions of domains and the like. */
import { EstratoError } from "../errors.ts";
import { namesIn, readStored, removeAbandoned, removeDurably, writeDurably } from "./durable-file.ts";
import { errnoOf, hostError } from "./host-error.ts";
import type { PathsInStore } from "./paths.ts";

export interface Records {
  writeRecord(name: string, text: string): Promise<void>;
  findRecord(name: string): Promise<string | null>;
  readRecord(name: string): Promise<string>;
  listRecords(): Promise<string[]>;
  removeRecord(name: string): Promise<void>;
}

/** Names: 1 to 200 bytes, no "/", no leading dot; "usage" otherwise. `makeFolders` is called before the first write. */
export function records(paths: PathsInStore, makeFolders: () => void, now: () => Date): Records {
  const find = (path: string): string | null => {
    try {
      return readStored(path);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return null;
      throw hostError(path, error);
    }
  };
  return {
    async writeRecord(name, text) {
      const path = paths.record(name);
      makeFolders();
      writeDurably(path, text);
    },

    async findRecord(name) {
      return find(paths.record(name));
    },

    async readRecord(name) {
      const path = paths.record(name);
      const text = find(path);
      if (text === null) throw missingRecord(path);
      return text;
    },

    async listRecords() {
      // Here, and not at each write: of ten thousand names a look takes longer than the write.
      removeAbandoned(paths.recordsFolder, now().getTime());
      return namesIn(paths.recordsFolder);
    },

    async removeRecord(name) {
      removeDurably(paths.record(name));
    },
  };
}

/** Of a name from the state: that its file is gone is damage. */
export function missingRecord(path: string): EstratoError {
  return new EstratoError("integrity", `${path}: the record is gone`, { hint: "Run `estrato doctor`." });
}
