/** What leaves libvirt or our care, and comes back: `shelve`, `unshelve`, `instance adopt` and `release`. */
import { withMark } from "../../../fake/host-domains.ts";
import type { Bed } from "../../core/world.ts";
import { befallen, busy, domainOf, onHost } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { instanceDetail } from "./contract.ts";

const ADOPTED = 'legacy: adopted; its disks stay where they are ("estrato instance release legacy" undoes this)';
/** The mark of a store on a machine that is not here. */
const ofAnother = (on: Bed): void => {
  const found = domainOf(on, "legacy");
  const uuid = /<uuid>(.*)<\/uuid>/.exec(found.inactive)?.[1] ?? "";
  const mark = { store: "s-1", machine: "m-1", machineName: "alpha", home: "/srv/other" };
  found.inactive = withMark(found.inactive, uuid, mark, true);
};
const statusOf = (name: string) => `instance show ${name} -f value -c status`;

export const shelving: NounLines = {
  shelve: {
    also: ["shelve"],
    well: [
      {
        line: "instance shelve web1 --timeout 2m",
        json: instanceDetail({
          name: "web1",
          status: "shelved",
          addresses: ["192.168.122.2"],
          autostart: false,
          disks: [],
        }),
        plan: ["shutdown", "qemu-img create", "undefine"],
        after: [statusOf("web1"), "shelved\n"],
      },
      { line: "instance shelve put-by", json: instanceDetail({ status: "shelved" }), plan: [] },
      {
        line: "instance shelve web2 --offload -y",
        notes: [
          "web2: packed, but no space came back: the copies take 64 KiB more, since other things still need what the disks stood on",
        ],
        json: instanceDetail({ status: "shelved" }),
        plan: ["undefine", "qemu-img convert"],
      },
      {
        line: "instance shelve web2 --offload --target /mnt/archive -y",
        notes: ["web2: packed into /mnt/archive; 0 B came back"],
        before: (on) => void on.machine.folders.add("/mnt/archive"),
        json: instanceDetail({ status: "shelved" }),
        plan: ["undefine", "/mnt/archive/"],
      },
    ],
    refused: refusals(
      ["instance shelve web1 --target /mnt/archive", 2, "only with --offload"],
      ["instance shelve web1 --timeout soon", 2, "not a duration"],
      ["instance shelve nosuch", 4, "instance nosuch: not found"],
      ["instance shelve web1 --offload --target /nowhere -y", 4, "/nowhere: no such folder"],
      ["instance shelve web1", 5, "saved", befallen("web1", { managedSave: true })],
      ["instance shelve web1", 5, "another operation is in progress", busy("web1")],
      ["instance shelve web1 --offload -y", 6, "space", onHost({ freeBytes: 1 })],
    ),
    asks: [
      {
        line: "instance shelve web2 --offload",
        asks: "Shelve web2 and pack its disks?",
        loses: ["the files of its disks: compressed copies take their place, which is slow to make and to read"],
        after: [statusOf("web2"), "shelved\n"],
      },
    ],
    several: { good: "web1", words: "instances failed to shelve" },
  },

  unshelve: {
    also: ["unshelve"],
    well: [
      {
        line: "instance unshelve put-by --wait agent --timeout 2m",
        json: instanceDetail({ name: "put-by", status: "active", addresses: ["192.168.122.4"] }),
        plan: ["net-update", "define", "start"],
        after: [statusOf("put-by"), "active\n"],
      },
    ],
    refused: refusals(
      ["instance unshelve put-by --wait nothing", 2, "Give one of address, agent"],
      ["instance unshelve nosuch", 4, "instance nosuch: not found"],
      ["instance unshelve web1", 5, "it is not shelved"],
      ["instance unshelve put-by", 6, "its network default is not there", ({ machine }) => machine.networks.clear()],
      ["instance unshelve put-by", 9, "is not there", withoutItsDisk],
    ),
    several: { good: "put-by", words: "instances failed to unshelve" },
  },

  adopt: {
    well: [
      {
        line: "instance adopt legacy",
        json: instanceDetail({
          name: "legacy",
          managed: true,
          owner: "ana",
          volumes: [{ id: "vol-f0000000000000001", device: "vda", size_bytes: 1_048_576 }],
        }),
        notes: [ADOPTED],
        plan: ["legacy: its disks would become volumes; no file is touched"],
      },
      { line: "instance adopt web1", json: instanceDetail({ name: "web1", managed: true }) },
      {
        line: "instance adopt --take-over -y legacy",
        before: ofAnother,
        json: instanceDetail({ name: "legacy", managed: true }),
        notes: [ADOPTED],
        plan: ["virsh", "metadata", "--remove"],
      },
    ],
    refused: refusals(
      ["instance adopt nosuch", 4, "instance nosuch: not found"],
      ["instance adopt legacy", 5, "it is transient", befallen("legacy", { persistent: false })],
      ["instance adopt legacy", 5, "it belongs to the store /srv/other of alpha", ofAnother],
      ["instance adopt legacy", 5, "libvirt", befallen("legacy", { snapshots: ["theirs"] })],
      ["instance adopt legacy", 6, "only qcow2 and raw can be layered", ofAnotherFormat],
    ),
    asks: [
      {
        line: "instance adopt --take-over legacy",
        before: ofAnother,
        asks: "Take instance legacy over from the store /srv/other of alpha? That store must be gone for good.",
        loses: ["what /srv/other of alpha still does with legacy"],
        after: ["instance show legacy -f value -c managed", "true\n"],
      },
    ],
    several: { good: "web1", words: "instances failed to adopt" },
  },

  release: {
    well: [
      {
        line: "instance release legacy",
        before: "instance adopt legacy",
        json: instanceDetail({ name: "legacy", managed: false, owner: null, volumes: [], created_at: null }),
        notes: ["legacy: released; its disks are /disks/legacy.qcow2"],
        plan: ["Give owner and mode back"],
      },
      { line: "instance release legacy", json: instanceDetail({ managed: false }), plan: [] },
    ],
    refused: refusals(
      ["instance release nosuch", 4, "instance nosuch: not found"],
      ["instance release web1", 5, "estrato made it"],
      ["instance release legacy", 5, "snapshot", "snapshot create legacy found"],
    ),
    several: { good: "legacy", words: "instances failed to release" },
  },
};

/** What put-by was shelved with is gone. */
function withoutItsDisk(on: Bed): void {
  const { volumes, layers } = JSON.parse(on.disk.state ?? "");
  on.machine.files.delete(layers[volumes["vol-00000000000000004"].head].file);
}

function ofAnotherFormat(on: Bed): void {
  const domain = domainOf(on, "legacy");
  domain.inactive = domain.inactive.replace(/type=(['"])qcow2\1/, "type='vmdk'");
}
