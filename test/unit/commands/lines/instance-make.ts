/** What comes into being, changes and goes: `instance create`, `set`, `resize` and `delete`. */

import type { Bed } from "../../core/world.ts";
import { command } from "../../core/world.ts";
import { befallen, busy, domainOf, KEPT, onHost, printed, SLOW, secretBackup } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { instanceDetail } from "./contract.ts";

const NEW = "00000000-1111-4000-8000-000000000001";
const FROM = "instance create web9 --image debian12";
const NAMES = "instance list -f value -c name";

const BUSY = { protocol: "tcp", address: "127.0.0.1", host: 3000, guest: 1 } as const;

const withBridge = ({ machine }: Bed) => void machine.folders.add("/sys/class/net/br0/bridge");

/** web2 is on a network of its own user, and a port leads to its ssh. */
const onUser = async (on: Bed) => {
  const domain = domainOf(on, "web2");
  domain.inactive = domain.inactive
    .replace(/<interface type=(["'])network\1/, '<interface type="user"')
    .replace(/<source network=[^>]*>/, "");
  await printed(on, "instance set web2 --forward 20000:22");
};

export const making: NounLines = {
  create: {
    well: [
      {
        line: "instance create web1 --image debian12 --if-absent",
        json: instanceDetail({ name: "web1" }),
        notes: ["It is there already, and left as it is."],
        plan: [],
      },
      {
        line: `${FROM} --vcpus 2 --ram 256M --disk 2G --key-name mykey --network default --ip 192.168.122.9 --property role=front`,
        json: instanceDetail({
          id: NEW,
          name: "web9",
          status: "active",
          flavor: null,
          vcpus: 2,
          ram_bytes: 268_435_456,
          image: "debian12",
          image_id: "img-debian12",
          key_name: "mykey",
          addresses: ["192.168.122.9"],
          macs: ["52:54:00:11:00:01"],
          volumes: [{ id: "vol-f0000000000000001", device: "vda", size_bytes: 2_147_483_648 }],
          created_at: "2025-01-01T12:00:00.000Z",
          managed: true,
          owner: "ana",
          properties: { role: "front" },
          autostart: false,
          networks: ["default"],
          forwards: [],
          current_snapshot: null,
        }),
        notes: [SLOW],
        plan: ["net-update", "qemu-img create", "xorriso", "virsh -c qemu:///fake define web9.xml", "start"],
        after: [NAMES, "legacy\nput-by\nweb1\nweb2\nweb9\n"],
      },
      {
        line: `${FROM} --flavor tiny --volume data1 --network none --no-start`,
        json: instanceDetail({
          flavor: "tiny",
          status: "shutoff",
          addresses: [],
          volumes: [
            { id: "vol-f0000000000000001", device: "vda", size_bytes: 1_073_741_824 },
            { id: "vol-00000000000000005", device: "vdb", size_bytes: 1_048_576 },
          ],
        }),
        notes: [SLOW],
        plan: ["define"],
      },
      {
        line: `${FROM} --network user --forward 8080:80 --forward 0.0.0.0:5353:53/udp --no-start`,
        json: instanceDetail({
          addresses: [],
          networks: ["user"],
          forwards: [
            { protocol: "tcp", address: "127.0.0.1", host_port: 8080, guest_port: 80 },
            { protocol: "udp", address: "0.0.0.0", host_port: 5353, guest_port: 53 },
            { protocol: "tcp", address: "127.0.0.1", host_port: 24_000, guest_port: 22 }, // of user 1000
          ],
        }),
        notes: [SLOW],
        plan: ["define"],
      },
      {
        line: `${FROM} --network default,ip=192.168.122.8 --network bridge=br0,mac=52:54:00:99:00:01,ip=10.0.0.9/24`,
        before: withBridge,
        json: instanceDetail({
          addresses: ["192.168.122.8"],
          networks: ["default", "bridge=br0"],
          macs: ["52:54:00:11:00:01", "52:54:00:99:00:01"],
        }),
        notes: [SLOW],
        plan: ["xorriso", "define"],
      },
      {
        line: "instance create web9 --snapshot web1/first --wait agent --timeout 1m",
        json: instanceDetail({ image: "web1/first", vcpus: 1, ram_bytes: 268_435_456 }),
        notes: [SLOW],
        plan: ["qemu-img create", "start"],
      },
      {
        line: "instance create web9 --snapshot web1/first --own-identity",
        json: instanceDetail({ image: "web1/first" }),
        notes: [SLOW],
        plan: ["xorriso", "start"],
      },
      {
        line: "instance create web9 --boot-volume data1",
        json: instanceDetail({ image: null, flavor: "small" }),
        notes: [SLOW],
        plan: ["define", "start"],
      },
      {
        line: "instance create web9 --backup nightly",
        json: instanceDetail({ name: "web9" }),
        notes: [SLOW],
        plan: ["convert"],
      },
      {
        line: "instance create web9 --backup secret --passphrase-file /key",
        before: secretBackup("web1"),
        json: instanceDetail({ name: "web9" }),
        notes: [SLOW],
        plan: ["convert"],
      },
      {
        line: `${FROM} --count 2`,
        json: [instanceDetail({ name: "web9-1" }), instanceDetail({ name: "web9-2" })],
        notes: [SLOW],
        plan: ["web9-1", "web9-2"],
      },
      {
        line: `${FROM} --count 1 --user-data LICENSE --agent --trust-owner`,
        json: [instanceDetail({ name: "web9-1" })],
        notes: [SLOW],
        plan: ["xorriso"],
      },
    ],
    refused: [
      ...refusals(
        ["instance create web9", 2, "none of --image, --snapshot, --backup and --boot-volume is given"],
        [`${FROM} --snapshot web1/first`, 2, "--image and --snapshot"],
        [`${FROM} --count 999999999`, 2, "--count 999999999: more than 1000"],
        [`${FROM} --ip 192.168.122.9 --count 2`, 2, "--ip and --count"],
        [`${FROM} --network default,ip=192.168.122.9 --count 2`, 2, "--network with mac= or ip= and --count"],
        [`${FROM} --network user --forward 8080:80 --count 2`, 2, "--forward and --count"],
        [`${FROM} --network default,ip=192.168.122.9 --ip 192.168.122.9`, 2, "--ip and ip= of --network"],
        [`${FROM} --network user --forward 8080`, 2, 'forward "8080"'],
        [`${FROM} --network user --forward 80:80`, 2, "only root", onHost({ unprivileged: true })],
        [`${FROM} --forward 8080:80`, 2, "--forward: ports lead to an instance on the network user"],
        [`${FROM} --network user --network user`, 2, "an instance has one of that kind"],
        [`${FROM} --network none --network default`, 2, "--network none"],
        [`${FROM} --network lan,speed=9`, 2, "is none of its parts"],
        [`${FROM} --network bridge=br0`, 4, "bridge br0: this host has none"],
        [`${FROM} --volume data1 --count 2`, 2, "--volume and --count"],
        [`${FROM} --no-start --wait agent`, 2, "--no-start and --wait"],
        [`${FROM} --passphrase-file /key`, 2, "--passphrase-file without --backup"],
        [`${FROM} --ram lots`, 2, "not a size"],
        [`${FROM} --vcpus 0`, 2, "not a whole number"],
        [`${FROM} --ip 10.0.0.1`, 2, "outside network default"],
        [`${FROM} --disk 1K`, 2, "needs a disk of 1 MiB"],
        ["instance create -x --image debian12", 2, 'unknown option "-x"'],
        ["instance create a/b --image debian12", 2, 'it holds a "/"'],
        ["instance create web9 --image nosuch", 4, "image nosuch: not found"],
        ["instance create web9 --snapshot first", 4, "ambiguous: web1/first, web2/first"],
        ["instance create web9 --backup nosuch", 4, "backup nosuch: not found"],
        [`${FROM} --flavor nosuch`, 4, "flavor nosuch: not found"],
        [`${FROM} --key-name nosuch`, 4, "keypair nosuch: not found"],
        [`${FROM} --network nosuch`, 4, "network nosuch: not found"],
        [`${FROM} --volume nosuch`, 4, "volume nosuch: not found"],
        ["instance create web1 --image debian12", 5, "the name is taken"],
        [`${FROM} --ip 192.168.122.2`, 5, "192.168.122.2"],
        [`${FROM} --network default,mac=52:54:00:00:00:01`, 5, "MAC 52:54:00:00:00:01: web1 has it"],
        [`${FROM} --network user --forward 3000:80`, 5, "a process of this host has it", onHost({ listening: [BUSY] })],
        [`${FROM} --network user`, 6, "neither passt nor this QEMU serves one", onHost({ userBackend: null })],
        [`${FROM} --volume data2`, 5, "data2"],
        [`${FROM} --agent --network none`, 2, "its package comes over the network"],
        [`${FROM} --user-data /nowhere/x`, 4, "no such file"],
        [FROM, 6, "space", onHost({ freeBytes: 1 })],
      ),
      {
        line: `${FROM} --wait agent --timeout 1s`,
        exit: 7,
        says: "no agent within 1 s",
        how: (on) => ({ host: { ...command(on).host, agentPing: async () => false } }),
        notes: [SLOW],
        late: true,
      },
    ],
    asks: [
      {
        line: "instance create web9 --snapshot web2/first --trust-definition --no-start",
        asks: "Take the whole definition of snapshot web2/first?",
        loses: [
          "emulator /usr/bin/qemu-system-x86_64",
          "disk vda/source file=",
          "disk vdb/source file=",
          "disk vdz/source file=/fake/estrato/seeds/",
          "interface/source network=default",
          "serial/log file=/fake/estrato/consoles/",
          "console/log file=/fake/estrato/consoles/",
          "rng/backend /dev/urandom",
        ],
        after: ["instance show web9 -f value -c status", "shutoff\n"],
      },
    ],
  },

  set: {
    well: [
      {
        line: "instance set web1 --property tier=1 --no-property role --autostart on",
        json: instanceDetail({ name: "web1", properties: { tier: "1" }, autostart: true }),
        plan: ["Record the properties", "autostart"],
        after: ["instance show web1 -f json -c properties --query properties", '{\n  "tier": "1"\n}\n'],
      },
      {
        line: "instance set web2 --forward 8080:80 --no-forward 20000",
        before: onUser,
        json: instanceDetail({
          forwards: [{ protocol: "tcp", address: "127.0.0.1", host_port: 8080, guest_port: 80 }],
        }),
        plan: ["Record them"],
      },
      {
        line: "instance set web2 --name shop",
        json: instanceDetail({ name: "shop" }),
        plan: ["domrename"],
        after: [NAMES, "legacy\nput-by\nshop\nweb1\n"],
      },
      {
        line: "instance set legacy --property tier=1",
        json: instanceDetail({ name: "legacy", managed: true, properties: { tier: "1" } }),
        notes: ['legacy: adopted; its disks stay where they are ("estrato instance release legacy" undoes this)'],
        plan: ["Record the properties"],
      },
    ],
    refused: refusals(
      ["instance set web1", 2, "nothing to set"],
      ["instance set web1 --autostart maybe", 2, "Give one of on, off"],
      ["instance set web1 --property role", 2, "KEY=VALUE"],
      ["instance set web2 --name a/b", 2, 'it holds a "/"'],
      ["instance set web1 --forward 80", 2, 'forward "80"'],
      ["instance set web1 --no-forward web", 2, 'forward "web"'],
      ["instance set web2 --name shop --forward 8080:80", 2, "--name and --forward"],
      ["instance set web1 --forward 8080:80", 5, "no network of its own user"],
      ["instance set nosuch --autostart on", 4, "instance nosuch: not found"],
      ["instance set web1 --name shop", 5, "it runs, and libvirt renames only what is off"],
      ["instance set web2 --name web1", 5, "the name is taken"],
      ["instance set put-by --name shop", 5, "it is shelved"],
    ),
  },

  resize: {
    well: [
      {
        line: "instance resize web2 --vcpus 2 --ram 1G",
        json: instanceDetail({ name: "web2", vcpus: 2, ram_bytes: 1_073_741_824, flavor: null, status: "shutoff" }),
        plan: ["define"],
      },
      { line: "instance resize web2 --flavor small", json: instanceDetail({ flavor: "small" }), plan: ["define"] },
      { line: "instance resize web2 --flavor tiny", json: instanceDetail({ flavor: "tiny" }), plan: [] },
      {
        line: "instance resize web1 --ram 512M --restart --timeout 2m -y",
        json: instanceDetail({ ram_bytes: 536_870_912, status: "active" }),
        plan: ["define", "shutdown", "start", "Snapshot awake will be deleted"],
      },
    ],
    refused: refusals(
      ["instance resize web2", 2, "no new size is given"],
      ["instance resize web2 --flavor small --ram 1G", 2, "flavor small"],
      ["instance resize web2 --ram 1", 2, "1 B of memory is too little"],
      ["instance resize web1 --vcpus 5000 --restart", 2, "5000 vCPUs are too many"],
      ["instance resize web1 --vcpus 300 --restart", 6, "300 vCPUs are more than its machine type takes"],
      ["instance resize web1 --ram 100T --restart", 6, "100 TiB of memory are more than this host has"],
      ["instance resize nosuch --ram 1G", 4, "instance nosuch: not found"],
      ["instance resize web2 --flavor nosuch", 4, "flavor nosuch: not found"],
      ["instance resize web1 --ram 512M", 5, "it runs, and its size changes only when it starts"],
      ["instance resize web1 --ram 512M --restart -y", 5, "it is protected", "snapshot set awake --protect"],
      ["instance resize web2 --ram 1G", 5, "another operation is in progress", busy("web2")],
    ),
    asks: [
      {
        line: "instance resize web1 --ram 512M --restart",
        asks: "Resize web1? A snapshot holds memory that resumes only in the size it has now.",
        loses: ["snapshot web1/awake (with memory)"],
        after: ["snapshot list web1 -f value -c name", `first\nupgrade\n${KEPT}\n`],
      },
    ],
  },

  delete: {
    well: [
      {
        line: "instance delete web2 -y",
        plan: ["undefine", "net-update", "Forget it and its snapshots", "Frees "],
        after: [NAMES, "legacy\nput-by\nweb1\n"],
      },
      {
        line: "instance delete web2 --keep-volumes -y",
        plan: ["undefine"],
        after: [
          "volume list --filter status=available -f value -c id",
          "vol-00000000000000002\nvol-00000000000000003\nvol-00000000000000005\n",
        ],
      },
      { line: "instance delete put-by legacy -y", plan: ["undefine"], after: [NAMES, "web1\nweb2\n"] },
    ],
    refused: refusals(
      ["instance delete nosuch", 4, "instance nosuch: not found"],
      ["instance delete web1", 5, "its snapshot first is protected", "snapshot set web1/first --protect"],
      ["instance delete web1 -y", 5, "snapshots of its own", befallen("web1", { snapshots: ["x"] })],
      ["instance delete web1 -y", 5, "another operation is in progress", busy("web1")],
    ),
    asks: [
      {
        line: "instance delete web1",
        asks: "Delete instance web1?",
        loses: [
          "what is in its memory: it runs",
          "disk vda (vol-00000000000000001, 1 MiB)",
          "snapshot web1/first",
          "snapshot web1/upgrade",
          "snapshot web1/awake",
          `snapshot web1/${KEPT}`,
        ],
        after: [NAMES, "legacy\nput-by\nweb2\n"],
      },
      {
        line: "instance delete legacy",
        asks: "Delete instance legacy?",
        loses: ["what is in its memory: it runs", "its definition (its disks stay)"],
        after: [NAMES, "put-by\nweb1\nweb2\n"],
      },
    ],
    several: { good: "web2", options: "-y", words: "instances failed to delete" },
  },
};
