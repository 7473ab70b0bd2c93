/** A snapshot, as its verbs print it. */
import type { SnapshotView } from "../../core/snapshots/list.ts";
import type { SnapshotDetail } from "../../core/snapshots/show.ts";
import { type Column, flag, nested, size, status, text, time, words } from "../../ui/output/columns.ts";

const hidden = { listed: false };

export const snapshotColumns = [
  text<SnapshotView>("id", (one) => one.id),
  text<SnapshotView>("name", (one) => one.name),
  text<SnapshotView>("type", (one) => one.type, hidden),
  status<SnapshotView>("status", (one) => one.status),
  text<SnapshotView>("instance", (one) => one.instance, { rank: 1 }),
  text<SnapshotView>("instance_id", (one) => one.instance_id, hidden),
  text<SnapshotView>("volume", (one) => one.volume),
  text<SnapshotView>("parent", (one) => one.parent, hidden),
  flag<SnapshotView>("current", (one) => one.current),
  flag<SnapshotView>("memory", (one) => one.memory, hidden),
  text<SnapshotView>("consistency", (one) => one.consistency),
  size<SnapshotView>("size_bytes", (one) => one.size_bytes),
  size<SnapshotView>("exclusive_bytes", (one) => one.exclusive_bytes),
  flag<SnapshotView>("automatic", (one) => one.automatic, hidden),
  text<SnapshotView>("schedule", (one) => one.schedule, hidden),
  text<SnapshotView>("owner", (one) => one.owner, hidden),
  time<SnapshotView>("created_at", (one) => one.created_at),
  time<SnapshotView>("expires_at", (one) => one.expires_at, hidden),
  flag<SnapshotView>("protected", (one) => one.protected, hidden),
  text<SnapshotView>("description", (one) => one.description, hidden),
  nested<SnapshotView>("properties", (one) => one.properties, hidden),
  nested<SnapshotView>("disks", (one) => one.disks.map((disk) => ({ ...disk })), hidden),
  words<SnapshotView>("excluded", (one) => one.excluded, hidden),
];

export const snapshotDetailColumns: readonly Column<SnapshotDetail>[] = [
  ...snapshotColumns,
  flag("restorable", (one) => one.restorable),
  text("restorable_reason", (one) => one.restorable_reason),
  nested("requires", (one) => (one.requires === null ? null : { ...one.requires })),
];
