/** A backup, as its verbs print it. */
import type { BackupView } from "../../core/backups/list.ts";
import type { Verified } from "../../core/backups/verify.ts";
import { flag, nested, size, span, status, text, time, words } from "../../ui/output/columns.ts";

const hidden = { listed: false };

export const backupColumns = [
  text<BackupView>("id", (one) => one.id, { rank: 0 }), // names need not be unique
  text<BackupView>("name", (one) => one.name, hidden),
  text<BackupView>("type", (one) => one.type),
  text<BackupView>("instance", (one) => one.instance, { rank: 1 }),
  text<BackupView>("instance_id", (one) => one.instance_id, hidden),
  status<BackupView>("status", (one) => one.status),
  text<BackupView>("problem", (one) => one.problem, hidden),
  flag<BackupView>("incremental", (one) => one.incremental),
  text<BackupView>("parent", (one) => one.parent, hidden),
  size<BackupView>("size_bytes", (one) => one.size_bytes),
  size<BackupView>("written_bytes", (one) => one.written_bytes),
  text<BackupView>("target", (one) => one.target, hidden),
  time<BackupView>("created_at", (one) => one.created_at),
  flag<BackupView>("protected", (one) => one.protected),
  text<BackupView>("consistency", (one) => one.consistency, hidden),
  flag<BackupView>("compressed", (one) => one.compressed, hidden),
  flag<BackupView>("encrypted", (one) => one.encrypted, hidden),
  text<BackupView>("schedule", (one) => one.schedule, hidden),
  text<BackupView>("owner", (one) => one.owner, hidden),
  words<BackupView>("used_by", (one) => one.used_by, hidden),
  nested<BackupView>("disks", (one) => one.disks.map((disk) => ({ ...disk })), hidden),
];

export const verifiedColumns = [
  text<Verified>("id", (one) => one.id, { rank: 0 }),
  text<Verified>("name", (one) => one.name, hidden),
  text<Verified>("instance", (one) => one.instance),
  status<Verified>("status", (one) => one.status),
  words<Verified>("problems", (one) => one.problems, { rank: 1 }),
  size<Verified>("read_bytes", (one) => one.read_bytes),
  span<Verified>("booted_ms", (one) => one.booted_ms),
];
