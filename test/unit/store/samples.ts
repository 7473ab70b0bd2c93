/** Well-formed things to store. */
import type { JournalEntry } from "../../../src/core/model/journal.ts";
import type { Keypair, State } from "../../../src/core/model/state.ts";

const TIME = "2025-01-01T00:00:00.000Z";

export function keypair(name: string, fingerprint = "SHA256:x"): Keypair {
  return { name, type: "ssh", publicKey: "ssh-ed25519 AAAA", fingerprint, owner: "root", createdAt: TIME };
}

/** What program.ts counts in. */
export function count(state: State): number {
  return Number(state.keypairs.counter?.fingerprint ?? 0);
}

export function journalEntry(id: string, createdAt = TIME): JournalEntry {
  return {
    id,
    kind: "snapshot.create",
    version: 1,
    locks: [],
    createdAt,
    command: "estrato snapshot create web1",
    data: { a: [1] },
  };
}
