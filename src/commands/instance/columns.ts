/** What `instance list` and `instance show` print; the keys are CLI.md's. */
import type { InstanceDetail } from "../../core/instances/show.ts";
import type { InstanceView } from "../../core/instances/view.ts";
import { type Column, flag, nested, number, size, status, text, time, words } from "../../ui/output/columns.ts";
import { humanSize } from "../../units.ts";

export const instanceColumns: readonly Column<InstanceView>[] = [
  text("id", (row) => row.id),
  text("name", (row) => row.name),
  status("status", (row) => row.status),
  text("flavor", (row) => row.flavor),
  number("vcpus", (row) => row.vcpus, { listed: false }),
  size("ram_bytes", (row) => row.ram_bytes, { listed: false }),
  text("image", (row) => row.image),
  text("image_id", (row) => row.image_id, { listed: false }),
  text("key_name", (row) => row.key_name, { listed: false }),
  words("addresses", (row) => row.addresses, { rank: 1 }),
  words("macs", (row) => row.macs, { listed: false }),
  nested("volumes", (row) => row.volumes.map((volume) => ({ ...volume })), {
    listed: false,
    forPeople: (volumes) => (volumes as unknown as InstanceView["volumes"]).map(volumeText).join(", "),
  }),
  time("created_at", (row) => row.created_at),
  flag("managed", (row) => row.managed, { listed: false }),
  text("owner", (row) => row.owner, { listed: false }),
  nested("properties", (row) => ({ ...row.properties }), { listed: false }),
];

export const instanceDetailColumns: readonly Column<InstanceDetail>[] = [
  ...instanceColumns,
  text("status_reason", (row) => row.status_reason),
  flag("autostart", (row) => row.autostart),
  words("networks", (row) => row.networks),
  text("current_snapshot", (row) => row.current_snapshot),
  nested("disks", (row) => row.disks.map((disk) => ({ ...disk })), {
    forPeople: (disks) =>
      (disks as unknown as InstanceDetail["disks"])
        .map((disk) => `${disk.device}: ${disk.source ?? "empty"}`)
        .join(", "),
  }),
];

function volumeText({ device, id, size_bytes }: InstanceView["volumes"][number]): string {
  return `${device} ${humanSize(size_bytes)} (${id})`;
}
