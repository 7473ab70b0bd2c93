/** A key pair, as its verbs print it. */
import type { Keypair } from "../../core/model/state.ts";
import { text, time } from "../../ui/output/columns.ts";

export const keypairColumns = [
  text<Keypair>("name", (keypair) => keypair.name),
  text<Keypair>("type", (keypair) => keypair.type),
  text<Keypair>("fingerprint", (keypair) => keypair.fingerprint, { rank: 1 }),
  text<Keypair>("public_key", (keypair) => keypair.publicKey, { listed: false }),
  text<Keypair>("owner", (keypair) => keypair.owner, { listed: false }),
  time<Keypair>("created_at", (keypair) => keypair.createdAt),
];
