/** What `instance list` and `instance show` print; the keys are CLI.md's. */
import type { InstanceDetail } from "../../core/instances/show.ts";
import type { InstanceView } from "../../core/instances/view.ts";
import { type Column, flag, nested, number, size, status, text, time, words } from "../../ui/output/columns.ts";
import { AMOUNT, listOf, mapOf, object, orNull, TEXT } from "../../ui/output/shape.ts";
import { humanSize } from "../../units.ts";

export const instanceColumns: readonly Column<InstanceView>[] = [
  text("id", (row) => row.id),
  text("name", (row) => row.name),
  status("status", (row) => row.status),
  text("flavor", (row) => row.flavor, { orNull: true }),
  number("vcpus", (row) => row.vcpus, { listed: false, orNull: true }),
  size("ram_bytes", (row) => row.ram_bytes, { listed: false, orNull: true }),
  text("image", (row) => row.image, { orNull: true }),
  text("image_id", (row) => row.image_id, { listed: false, orNull: true }),
  text("key_name", (row) => row.key_name, { listed: false, orNull: true }),
  words("addresses", (row) => row.addresses, { rank: 1 }),
  words("macs", (row) => row.macs, { listed: false }),
  nested(
    "volumes",
    (row: InstanceView) => row.volumes,
    listOf(object({ id: TEXT, device: TEXT, size_bytes: AMOUNT })),
    {
      listed: false,
      forPeople: (volumes) => volumes.map(volumeText).join(", "),
    },
  ),
  time("created_at", (row) => row.created_at, { orNull: true }),
  flag("managed", (row) => row.managed, { listed: false }),
  text("owner", (row) => row.owner, { listed: false, orNull: true }),
  nested("properties", (row: InstanceView) => row.properties, mapOf(TEXT), { listed: false }),
];

export const instanceDetailColumns: readonly Column<InstanceDetail>[] = [
  ...instanceColumns,
  text("status_reason", (row) => row.status_reason, { orNull: true }),
  flag("autostart", (row) => row.autostart, { orNull: true }),
  words("networks", (row) => row.networks),
  nested(
    "forwards",
    (row: InstanceDetail) => row.forwards,
    listOf(object({ protocol: TEXT, address: TEXT, host_port: AMOUNT, guest_port: AMOUNT })),
    { forPeople: (forwards) => forwards.map(forwardText).join(", ") },
  ),
  text("current_snapshot", (row) => row.current_snapshot, { orNull: true }),
  nested(
    "disks",
    (row: InstanceDetail) => row.disks,
    listOf(object({ device: TEXT, source: orNull(TEXT), format: TEXT })),
    { forPeople: (disks) => disks.map((disk) => `${disk.device}: ${disk.source ?? "empty"}`).join(", ") },
  ),
];

/** As --forward takes it. */
function forwardText({ protocol, address, host_port, guest_port }: InstanceDetail["forwards"][number]): string {
  return `${address}:${host_port}:${guest_port}${protocol === "udp" ? "/udp" : ""}`;
}

function volumeText({ device, id, size_bytes }: InstanceView["volumes"][number]): string {
  return `${device} ${humanSize(size_bytes)} (${id})`;
}
