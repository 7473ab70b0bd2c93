/** A snapshot, as its verbs print it. */
import type { SnapshotView } from "../../core/snapshots/list.ts";
import type { SnapshotDetail } from "../../core/snapshots/show.ts";
import { type Column, flag, nested, size, status, text, time, words } from "../../ui/output/columns.ts";
import { AMOUNT, listOf, mapOf, object, oneOf, orNull, TEXT } from "../../ui/output/shape.ts";
import { humanSize } from "../../units.ts";

const hidden = { listed: false };
const DISKS = listOf(object({ device: TEXT, volume: TEXT, size_bytes: AMOUNT }));
/** What its memory needs of a host. */
const REQUIRES = orNull(object({ qemu_version: orNull(TEXT), machine: orNull(TEXT) }));
export const CONSISTENCY = oneOf("offline", "crash", "filesystem", "memory");

/** `vda 10 GiB (vol-…), vdb 1 GiB (vol-…)` */
function disksText(disks: SnapshotView["disks"]): string {
  return disks.map((disk) => `${disk.device} ${humanSize(disk.size_bytes)} (${disk.volume})`).join(", ");
}

export const snapshotColumns = [
  text<SnapshotView>("id", (one) => one.id),
  text<SnapshotView>("name", (one) => one.name),
  text<SnapshotView>("type", (one) => one.type, { ...hidden, shape: oneOf("instance", "volume", "libvirt") }),
  status<SnapshotView>("status", (one) => one.status, { shape: oneOf("available", "expired") }),
  text<SnapshotView>("instance", (one) => one.instance, { rank: 1, orNull: true }),
  text<SnapshotView>("instance_id", (one) => one.instance_id, { ...hidden, orNull: true }),
  text<SnapshotView>("volume", (one) => one.volume, { orNull: true }),
  text<SnapshotView>("parent", (one) => one.parent, { ...hidden, orNull: true }),
  flag<SnapshotView>("current", (one) => one.current),
  flag<SnapshotView>("memory", (one) => one.memory, hidden),
  text<SnapshotView>("consistency", (one) => one.consistency, { orNull: true, shape: CONSISTENCY }),
  size<SnapshotView>("size_bytes", (one) => one.size_bytes),
  size<SnapshotView>("exclusive_bytes", (one) => one.exclusive_bytes, { orNull: true }),
  flag<SnapshotView>("automatic", (one) => one.automatic, hidden),
  text<SnapshotView>("schedule", (one) => one.schedule, { ...hidden, orNull: true }),
  text<SnapshotView>("owner", (one) => one.owner, { ...hidden, orNull: true }),
  time<SnapshotView>("created_at", (one) => one.created_at, { orNull: true }),
  time<SnapshotView>("expires_at", (one) => one.expires_at, { ...hidden, orNull: true }),
  flag<SnapshotView>("protected", (one) => one.protected, hidden),
  text<SnapshotView>("description", (one) => one.description, { ...hidden, orNull: true }),
  nested("properties", (one: SnapshotView) => one.properties, mapOf(TEXT), hidden),
  nested("disks", (one: SnapshotView) => one.disks, DISKS, { ...hidden, forPeople: disksText }),
  words<SnapshotView>("excluded", (one) => one.excluded, hidden),
];

export const snapshotDetailColumns: readonly Column<SnapshotDetail>[] = [
  ...snapshotColumns,
  flag("restorable", (one) => one.restorable),
  text("restorable_reason", (one) => one.restorable_reason, { orNull: true }),
  nested("requires", (one: SnapshotDetail) => one.requires, REQUIRES),
];
