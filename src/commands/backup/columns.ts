/** A backup, as its verbs print it. */
import type { BackupView } from "../../core/backups/list.ts";
import type { Verified } from "../../core/backups/verify.ts";
import { flag, nested, size, span, status, text, time, words } from "../../ui/output/columns.ts";
import { AMOUNT, listOf, object, oneOf, orNull, TEXT } from "../../ui/output/shape.ts";
import { humanSize } from "../../units.ts";

const hidden = { listed: false };
/** `parent`: the backup in which the rest of it is. */
const DISKS = listOf(object({ device: TEXT, size_bytes: AMOUNT, parent: orNull(TEXT) }));

/** `vda 10 GiB, vdb 1 GiB (on bak-…)` */
function disksText(disks: BackupView["disks"]): string {
  return disks
    .map(
      ({ device, size_bytes, parent }) =>
        `${device} ${humanSize(size_bytes)}${parent === null ? "" : ` (on ${parent})`}`,
    )
    .join(", ");
}

export const backupColumns = [
  text<BackupView>("id", (one) => one.id, { rank: 0 }), // names need not be unique
  text<BackupView>("name", (one) => one.name, { ...hidden, orNull: true }),
  text<BackupView>("type", (one) => one.type, { orNull: true }),
  text<BackupView>("instance", (one) => one.instance, { rank: 1, orNull: true }),
  text<BackupView>("instance_id", (one) => one.instance_id, { ...hidden, orNull: true }),
  status<BackupView>("status", (one) => one.status, { shape: oneOf("available", "merging", "damaged") }),
  text<BackupView>("problem", (one) => one.problem, { ...hidden, orNull: true }),
  flag<BackupView>("incremental", (one) => one.incremental),
  text<BackupView>("parent", (one) => one.parent, { ...hidden, orNull: true }),
  size<BackupView>("size_bytes", (one) => one.size_bytes),
  size<BackupView>("written_bytes", (one) => one.written_bytes),
  text<BackupView>("target", (one) => one.target, hidden),
  time<BackupView>("created_at", (one) => one.created_at, { orNull: true }),
  flag<BackupView>("protected", (one) => one.protected),
  text<BackupView>("consistency", (one) => one.consistency, { ...hidden, orNull: true }),
  flag<BackupView>("compressed", (one) => one.compressed, hidden),
  flag<BackupView>("encrypted", (one) => one.encrypted, hidden),
  text<BackupView>("schedule", (one) => one.schedule, { ...hidden, orNull: true }),
  text<BackupView>("owner", (one) => one.owner, { ...hidden, orNull: true }),
  words<BackupView>("used_by", (one) => one.used_by, hidden),
  nested("disks", (one: BackupView) => one.disks, DISKS, { ...hidden, forPeople: disksText }),
];

export const verifiedColumns = [
  text<Verified>("id", (one) => one.id, { rank: 0 }),
  text<Verified>("name", (one) => one.name, { ...hidden, orNull: true }),
  text<Verified>("instance", (one) => one.instance, { orNull: true }),
  status<Verified>("status", (one) => one.status, { shape: oneOf("ok", "damaged", "unbootable") }),
  words<Verified>("problems", (one) => one.problems, { rank: 1 }),
  size<Verified>("read_bytes", (one) => one.read_bytes),
  span<Verified>("booted_ms", (one) => one.booted_ms, { orNull: true }),
];
