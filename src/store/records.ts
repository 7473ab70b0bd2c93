/** Small files that the state names: definitions of domains and the like. */
import { readFileSync } from "node:fs";
import { EstratoError } from "../errors.ts";
import { namesIn, removeAbandoned, removeDurably, writeDurably } from "./durable-file.ts";
import { errnoOf, hostError } from "./host-error.ts";
import type { PathsInStore } from "./paths.ts";

export interface Records {
  writeRecord(name: string, text: string): Promise<void>;
  readRecord(name: string): Promise<string>;
  listRecords(): Promise<string[]>;
  removeRecord(name: string): Promise<void>;
}

/** Names: 1 to 200 bytes, no "/", no leading dot; "usage" otherwise. `makeFolders` is called before the first write. */
export function records(paths: PathsInStore, makeFolders: () => void, now: () => Date): Records {
  return {
    async writeRecord(name, text) {
      const path = paths.record(name);
      makeFolders();
      removeAbandoned(paths.recordsFolder, now().getTime());
      writeDurably(path, text);
    },

    async readRecord(name) {
      const path = paths.record(name);
      try {
        return readFileSync(path, "utf8");
      } catch (error) {
        if (errnoOf(error) === "ENOENT") throw missingRecord(path, error);
        throw hostError(path, error);
      }
    },

    async listRecords() {
      return namesIn(paths.recordsFolder);
    },

    async removeRecord(name) {
      removeDurably(paths.record(name));
    },
  };
}

/** Only a name from the state is ever read: that its file is gone is damage. */
export function missingRecord(path: string, cause?: unknown): EstratoError {
  return new EstratoError("integrity", `${path}: the record is gone`, { cause, hint: "Run `estrato doctor`." });
}
