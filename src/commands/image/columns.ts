/** An image, as its verbs print it. */
import type { ImageView } from "../../core/images/view.ts";
import { flag, nested, size, status, text, time, words } from "../../ui/output/columns.ts";
import { AMOUNT, listOf, mapOf, object, oneOf, orNull, TEXT } from "../../ui/output/shape.ts";
import { humanSize } from "../../units.ts";

export const imageColumns = [
  text<ImageView>("id", (image) => image.id),
  text<ImageView>("name", (image) => image.name),
  text<ImageView>("type", (image) => image.type, { rank: 1, shape: oneOf("base", "snapshot", "shelved", "backup") }),
  text<ImageView>("owner", (image) => image.owner),
  text<ImageView>("visibility", (image) => image.visibility, {
    listed: false,
    shape: oneOf("private", "shared", "public"),
  }),
  words<ImageView>("shared_with", (image) => image.sharedWith, { listed: false }),
  status<ImageView>("status", (image) => image.status, { shape: oneOf("active", "error") }),
  nested(
    "disks",
    (image: ImageView) => image.disks.map(({ device, sizeBytes }) => ({ device, size_bytes: sizeBytes })),
    listOf(object({ device: TEXT, size_bytes: AMOUNT })),
    {
      listed: false,
      forPeople: (disks) => disks.map((disk) => `${disk.device} ${humanSize(disk.size_bytes)}`).join(", "),
    },
  ),
  size<ImageView>("size_bytes", (image) => image.sizeBytes),
  size<ImageView>("min_disk_bytes", (image) => image.minDiskBytes, { listed: false }),
  size<ImageView>("min_ram_bytes", (image) => image.minRamBytes, { listed: false }),
  nested(
    "source",
    ({ source }: ImageView) => source && { kind: source.kind, id: source.id, name: source.name },
    orNull(object({ kind: oneOf("file", "url", "snapshot", "instance", "volume"), id: orNull(TEXT), name: TEXT })),
    { listed: false, forPeople: (source) => (source === null ? "" : `${source.kind} ${source.name}`) },
  ),
  text<ImageView>("source_url", ({ download }) => download?.url ?? null, { listed: false, orNull: true }),
  text<ImageView>("checksum", ({ download }) => download?.checksum ?? null, { listed: false, orNull: true }),
  text<ImageView>("verified", ({ download }) => download?.verified ?? null, {
    listed: false,
    orNull: true,
    shape: oneOf("signature", "checksum", "none"),
  }),
  time<ImageView>("created_at", (image) => image.createdAt),
  flag<ImageView>("protected", (image) => image.protected, { listed: false }),
  nested("properties", (image: ImageView) => image.properties, mapOf(TEXT), { listed: false }),
];
