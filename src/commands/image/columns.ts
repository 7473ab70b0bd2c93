/** An image, as its verbs print it. */
import type { ImageView } from "../../core/images/view.ts";
import { flag, nested, size, status, text, time } from "../../ui/output/columns.ts";
import { isObject, type Json } from "../../ui/output/json.ts";
import { humanSize } from "../../units.ts";

export const imageColumns = [
  text<ImageView>("id", (image) => image.id),
  text<ImageView>("name", (image) => image.name),
  text<ImageView>("type", (image) => image.type, { rank: 1 }),
  text<ImageView>("owner", (image) => image.owner),
  text<ImageView>("visibility", (image) => image.visibility, { listed: false }),
  nested<ImageView>("shared_with", (image) => [...image.sharedWith], {
    listed: false,
    forPeople: (users) => (Array.isArray(users) ? users.join(", ") : ""),
  }),
  status<ImageView>("status", (image) => image.status),
  nested<ImageView>(
    "disks",
    (image) => image.disks.map(({ device, sizeBytes }) => ({ device, size_bytes: sizeBytes })),
    { listed: false, forPeople: disksForPeople },
  ),
  size<ImageView>("size_bytes", (image) => image.sizeBytes),
  size<ImageView>("min_disk_bytes", (image) => image.minDiskBytes, { listed: false }),
  size<ImageView>("min_ram_bytes", (image) => image.minRamBytes, { listed: false }),
  nested<ImageView>("source", ({ source }) => source && { kind: source.kind, id: source.id, name: source.name }, {
    listed: false,
    forPeople: (source) => (isObject(source) ? `${source.kind} ${source.name}` : ""),
  }),
  time<ImageView>("created_at", (image) => image.createdAt),
  flag<ImageView>("protected", (image) => image.protected, { listed: false }),
  nested<ImageView>("properties", (image) => ({ ...image.properties }), { listed: false }),
];

/** `vda 10 GiB, vdb 1 GiB` */
function disksForPeople(disks: Json): string {
  if (!Array.isArray(disks)) return "";
  return disks
    .filter(isObject)
    .map((disk) => `${disk.device} ${humanSize(Number(disk.size_bytes))}`)
    .join(", ");
}
