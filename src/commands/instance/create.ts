import { DEFAULT_WAIT_MS } from "../../core/instances/wait.ts";
import { EstratoError } from "../../errors.ts";
import { shellQuoted } from "../../ui/plan.ts";
import { one } from "../framework/arguments.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { choice, count, duration, flag, keyValues, repeated, size, text } from "../framework/options.ts";
import { passphraseFileOf } from "../framework/passphrase.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { instanceDetailColumns } from "./columns.ts";
import { withAddress } from "./targets.ts";
import { trustDefinition, trustOwner } from "./trust.ts";

export default verb({
  description: `Makes an instance from an image, or straight from a snapshot. Its disks stand on the image's layers, so no data is copied: it takes
milliseconds, whatever the size. From a backup its disks are copied back first, and so are those of an image that another user shares:
he could put something else into his files at any time. Only images of root's are stood on where they lie, and those of others with --trust-owner.

Volumes that are attached to it (--volume, --boot-volume) stay when it is deleted: it did not make them.

It gets an identity of its own: a UUID, a MAC, a host name, and an address that is reserved before it boots for the first time. A key and user data
reach it through a NoCloud seed on a read-only disk, which cloud-init reads. What is made of a machine that has run still carries that one's machine-id
and its authorized_keys: with --own-identity the seed says that they go, with the host keys, before cloud-init writes the new ones.

Each --network is a network card: a network of libvirt's, a bridge of this host's (bridge=br0), or user, which needs no root and is what a
new instance gets in qemu:///session. Behind commas mac= and ip= choose what else is chosen for it. Where nothing there gives addresses (a bridge),
ip=192.168.1.50/24, gateway= and dns= are told to the guest by its seed. On the network user the guest reaches out, and only ports of this host
lead to it: one for its ssh, which is chosen and which "instance ssh" knows, and those of --forward, on 127.0.0.1 unless an address is typed.

A guest agent in it makes snapshots of whole file systems, addresses, and "instance exec" possible. Many images bring one; --agent has cloud-init install the
package qemu-guest-agent from the network, for which it takes as long as that does.

Where its source was a guest with UEFI or a TPM, its definition is built of what the disks need to boot: machine type, firmware, the model of the TPM,
buses of disks, network cards, screen and clock. What else the old definition named, of its host above all, is left out and named in a note; with
--trust-definition it is taken whole, and what of this host it names is shown before.

Without a flavor and figures, an instance from a snapshot or a backup is as large as the one that it was taken of, any other as the flavor "small".

Where it fails, nothing is left behind.`,
  arguments: { name: one("NAME", "the name of the new instance", { ask: "What shall it be called?" }) },
  options: {
    image: text("IMAGE", "the image to make it from", { complete: "image" }),
    snapshot: text("SNAPSHOT", "the snapshot to make it from: an id, or INSTANCE/NAME", { complete: "snapshot" }),
    backup: text("BACKUP", "the backup to make it from: it is copied back", { complete: "backup" }),
    passphraseFile: passphraseFileOf("of an encrypted backup"),
    bootVolume: text("VOLUME", "the volume to boot from, as it is: it is attached, not copied", { complete: "volume" }),
    volume: repeated(text("VOLUME", "a volume to attach; repeat it", { complete: "volume" })),
    flavor: text("FLAVOR", "its vCPUs, memory and disk", { complete: "flavor", setting: "flavor" }),
    vcpus: count("how many vCPUs it gets"),
    ram: size("how much memory it gets"),
    disk: size("how large its first disk is; at least as large as the image's"),
    keyName: text("KEYPAIR", "the key that opens it", { complete: "keypair" }),
    network: repeated(
      text("NETWORK", "the libvirt network it is on, user, none or bridge=BRIDGE; repeat it", { complete: "network" }),
    ),
    ip: text("ADDRESS", "the address it gets; one is chosen where this is left out"),
    forward: repeated(text("PORTS", "[ADDRESS:]HOST:GUEST[/udp]: a port of this host that leads to it; repeat it")),
    userData: text("FILE", "what cloud-init is to do at its first boot", { complete: "file" }),
    ownIdentity: flag("give it a machine-id, host keys and logins of its own, where cloud-init is in it"),
    agent: flag("have cloud-init install the guest agent there, beside any --user-data"),
    property: keyValues("a note of yours on it; repeat it"),
    count: count("make that many (at most 1000), called NAME-1, NAME-2, …"),
    noStart: flag("leave it off"),
    trustDefinition,
    trustOwner,
    wait: choice(["address", "agent"], "return only when it has one"),
    timeout: duration("how long to wait for that", { default: DEFAULT_WAIT_MS }),
  },
  result: result.one(instanceDetailColumns),
  changes: true,
  done: async ({ target, row, options, world }) => {
    const name = row?.name ?? target;
    const said = await withAddress({ target: name, world });
    return options.noStart
      ? `Made ${said}. To start it: estrato instance start ${shellQuoted(name)}.`
      : `Made and started ${said}.`;
  },
  withoutStore: true,
  examples: [
    { line: "estrato instance create web1 --image debian12 --key-name mykey", says: "make and start web1" },
    {
      line: "estrato instance create web2 --snapshot web1/before-upgrade",
      says: "make a second one from a snapshot of the first",
    },
    {
      line: "estrato instance create web --image debian12 --flavor tiny --count 3",
      says: "make web-1, web-2 and web-3",
    },
    {
      line: "estrato instance create web1 --image debian12 --network user --forward 8080:80",
      says: "without root: its port 80 is 127.0.0.1:8080 here",
    },
    {
      line: "estrato instance create gate --image debian12 --network default --network bridge=br0,ip=192.168.1.50/24",
      says: "with two network cards, one on a bridge",
    },
    { line: "ID=$(estrato instance create web1 --image debian12 -f value -c id)", says: "keep its id for a script" },
  ],
  exits: {
    2: "a malformed name, size, network or forward, a port below 1024 without root, an address that is none of the network, or a disk smaller than the image's",
    5: "the name, the address or a port is taken",
    6: "no space, no address is left, or nothing serves the network user",
    7: "it was made, but did not come up in time",
    8: "--trust-definition needs a yes",
  },
  guide: async (guide) => (await import("./create-guide.ts")).guideCreate(guide),
  async existing(context) {
    const { args, options } = context;
    if (options.count === null) return thatIsThere(context, "instance", args.name);
    throw new EstratoError("usage", "instance create: --if-absent and --count: it is about one name", {
      hint: "Leave one of them out.",
    });
  },
  async run(context) {
    const { args, options } = context;
    const [{ maker }, { instanceNames }, { creationOptions, withFlavor }, { showInstance }, { waitForInstance }] =
      await Promise.all([
        import("./maker.ts"),
        import("../../core/instances/names.ts"),
        import("./creation.ts"),
        import("../../core/instances/show.ts"),
        import("../../core/instances/wait.ts"),
      ]);
    const names = instanceNames(args.name, options.count);
    const { source, wanted } = await creationOptions(
      await withFlavor(context.factory, options),
      context.factory.signal,
    );
    const world = await context.world();
    const make = await maker(context.factory, world, source, wanted, options);
    if (make === null) return null;
    const made = await eachTarget(context, names, { kind: "instance", verb: "create" }, async (name) => {
      const instance = await make(name);
      if ("steps" in instance) return instance;
      if (options.wait !== null) await waitForInstance(world, instance.id, { kind: options.wait }, options.timeout);
      return showInstance(world, instance.id);
    });
    return options.count === null || Array.isArray(made) ? made : [made];
  },
});
