/** A volume, as its verbs print it; the keys are CLI.md's. */
import type { VolumeView } from "../../core/volumes/view.ts";
import { flag, size, status, text, time } from "../../ui/output/columns.ts";
import { oneOf } from "../../ui/output/shape.ts";

const hidden = { listed: false };

export const volumeColumns = [
  text<VolumeView>("id", (one) => one.id, { rank: 0 }), // many have no name
  text<VolumeView>("name", (one) => one.name, { orNull: true }),
  status<VolumeView>("status", (one) => one.status, { shape: oneOf("available", "in-use", "error") }),
  size<VolumeView>("size_bytes", (one) => one.size_bytes, { rank: 1 }),
  text<VolumeView>("instance", (one) => one.instance, { rank: 1, orNull: true }),
  text<VolumeView>("instance_id", (one) => one.instance_id, { ...hidden, orNull: true }),
  text<VolumeView>("device", (one) => one.device, { orNull: true }),
  text<VolumeView>("source_snapshot", (one) => one.source_snapshot, { ...hidden, orNull: true }),
  text<VolumeView>("source_image", (one) => one.source_image, { ...hidden, orNull: true }),
  flag<VolumeView>("encrypted", (one) => one.encrypted, hidden),
  flag<VolumeView>("delete_with_instance", (one) => one.delete_with_instance, hidden),
  text<VolumeView>("owner", (one) => one.owner, hidden),
  time<VolumeView>("created_at", (one) => one.created_at),
];
