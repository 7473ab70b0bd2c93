// Running guests: one of each build, and one that virsh alone works on. What verbs take, and how long the guest stands
// still meanwhile.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { both, median, put } from "./measure.mjs";
import { profile } from "./profile.mjs";
import { inGuest, longestStall, startWriter } from "./writer.mjs";

const THEIRS = "theirs";

function boot(build, name) {
  const size = ["--image", "base", "--vcpus", "1", "--ram", "128M"];
  build.estrato("instance", "create", name, ...size, "--wait", "agent", "-q");
}

/** Each store gets the image of the guests. */
function imaged({ builds, theirs, guest, once }) {
  once("image", () => {
    for (const build of [...builds, theirs])
      build.estrato("image", "create", "base", "--file", guest, "--disk-format", "qcow2", "-q");
  });
}

/** Boots the guests that the cases of this file share. */
function booted(tools) {
  imaged(tools);
  tools.once("guests", () => {
    for (const build of [...tools.builds, tools.theirs]) boot(build, build.name);
  });
}

/** virsh's words for a snapshot of its guest, as a person would type them. */
const snapshotWords = (folder, name, ...more) => [
  "snapshot-create-as",
  THEIRS,
  name,
  "--atomic",
  "--no-metadata",
  ...more,
  "--diskspec",
  `vda,snapshot=external,file=${folder}/${name}.qcow2`,
  "--diskspec",
  "vdz,snapshot=no",
];

export function snapshots(tools) {
  const { perBuild, inTurns, rounds, row, node, virsh, folder } = tools;
  booted(tools);
  const t = inTurns(rounds(7), {
    ...perBuild((build, round) => build.estrato("snapshot", "create", build.name, `s${round}`, "--quiesce", "off")),
    virsh: (round) => virsh(...snapshotWords(folder, `disks-${round}`, "--disk-only")),
    node,
  });
  row("snapshot create, running, disks only", t, "virsh snapshot-create-as + node", both(t.virsh, t.node), "2.3");
  const build = tools.builds.at(-1);
  const line = (name) => ["snapshot", "create", build.name, name, "--quiesce", "off", "-q"];
  tools.profiles.push(profile(tools, build, "snapshot create -q", line));
}

/** Each round saves, and then resumes what it saved. */
export function memory(tools) {
  const { perBuild, inTurns, rounds, row, node, virsh, run, folder } = tools;
  booted(tools);
  const top = () => /<source file='([^']*\.qcow2)'/.exec(virsh("dumpxml", THEIRS).stdout)[1];
  const saved = (round) => join(folder, `${round}.save`);
  const bases = [];
  const synced = [];
  const save = inTurns(rounds(5), {
    ...perBuild((build, round) => build.estrato("snapshot", "create", build.name, `m${round}`, "--memory")),
    virsh: (round) => {
      bases[round] = top();
      const memspec = ["--live", "--memspec", `file=${saved(round)},snapshot=external`];
      const took = virsh(...snapshotWords(folder, `memory-${round}`, ...memspec));
      synced.push(both(took, run("sync", [saved(round)]))); // virsh alone leaves the memory in the host's cache
      return took;
    },
    node,
  });
  const against = "virsh snapshot-create-as --memspec + node";
  row("snapshot create --memory", save, against, both(save.virsh, save.node), "1.7");
  row("snapshot create --memory", save, `the same, and sync`, both(median(synced), save.node));
  const resume = inTurns(synced.length, {
    // there may have been fewer rounds than were wished
    ...perBuild((build, round) => build.estrato("snapshot", "revert", `${build.name}/m${round}`, "--discard", "-y")),
    // What a person would do by hand, prepared: only destroy and restore are timed.
    virsh: (round) => {
      const head = join(folder, `back-${round}.qcow2`);
      execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", bases[round], "-F", "qcow2", head]);
      const xml = join(folder, `memory-${round}.xml`);
      const text = virsh("save-image-dumpxml", saved(round)).stdout;
      writeFileSync(xml, text.replaceAll(bases[round], head).replace(/<backingStore[^>]*\/>/g, ""));
      return both(virsh("destroy", THEIRS), virsh("restore", saved(round), "--xml", xml, "--running"));
    },
    node,
  });
  row("snapshot revert, memory", resume, "virsh destroy, restore + node", both(resume.virsh, resume.node), "1.7");
}

/** Guests that write all the time: the longest time between two of their writes, while something is done to them. */
export async function stalls(tools) {
  const { builds, theirs, rounds, row, meanwhile, folder } = tools;
  booted(tools);
  const logs = new Map();
  for (const { name } of [...builds, theirs]) logs.set(name, startWriter(tools, name));
  const files = (kind, round) => `${kind}-stall-${round}`;
  const virsh = (...words) => meanwhile("virsh", ["-q", ...words]);
  /** What is done, by estrato and by virsh. Each round leaves a chain as long as that of the others. */
  const kinds = {
    "snapshot, not quiesced": {
      estrato: (name, round) => ["snapshot", "create", name, files("plain", round), "--quiesce", "off", "-q"],
      virsh: (round) => virsh(...snapshotWords(folder, files("plain", round), "--disk-only")),
    },
    "snapshot, quiesced": {
      estrato: (name, round) => ["snapshot", "create", name, files("quiet", round), "--quiesce", "require", "-q"],
      virsh: (round) => virsh(...snapshotWords(folder, files("quiet", round), "--disk-only", "--quiesce")),
    },
    "merge of the layer between": {
      estrato: (name, round) => ["snapshot", "delete", `${name}/${files("quiet", round)}`],
      virsh: (round) => {
        const path = (kind) => `${join(folder, files(kind, round))}.qcow2`;
        return virsh("blockcommit", THEIRS, "vda", "--top", path("memory"), "--base", path("quiet"), "--wait");
      },
    },
    "snapshot with memory": {
      estrato: (name, round) => ["snapshot", "create", name, files("memory", round), "--memory", "-q"],
      virsh: (round) =>
        virsh(
          ...snapshotWords(
            folder,
            files("memory", round),
            "--live",
            "--memspec",
            `file=${folder}/stall-${round}.save,snapshot=external`,
          ),
        ),
    },
  };
  const names = [...builds.map(({ name }) => name), THEIRS];
  /** The others stand still: three guests that write have less than a core each, and wait for one another. */
  const stall = async (name, work) => {
    const others = names.filter((one) => one !== name);
    for (const other of others) tools.virsh("suspend", other);
    try {
      return await longestStall(logs.get(name), work);
    } finally {
      for (const other of others) tools.virsh("resume", other);
    }
  };
  const order = ["snapshot, not quiesced", "snapshot, quiesced", "snapshot with memory", "merge of the layer between"];
  const found = Object.fromEntries(order.map((kind) => [kind, {}]));
  const idle = [];
  for (let round = 0; round < rounds(5); round += 1) {
    idle.push(await stall(THEIRS, () => new Promise((resolve) => setTimeout(resolve, 300))));
    for (const kind of order) {
      if (kind.startsWith("merge")) await virsh(...snapshotWords(folder, files("above", round), "--disk-only"));
      if (kind.startsWith("merge"))
        for (const build of builds)
          build.estrato("snapshot", "create", build.name, files("above", round), "--quiesce", "off", "-q");
      for (const build of builds) {
        const line = () => meanwhile(build.program, kinds[kind].estrato(build.name, round), build.env);
        put(found[kind], build.name, await stall(build.name, line));
      }
      put(found[kind], THEIRS, await stall(THEIRS, () => kinds[kind].virsh(round)));
    }
  }
  for (const kind of order) {
    const ours = Object.fromEntries(builds.map(({ name }) => [name, median(found[kind][name])]));
    row(`guest's longest stall, ${kind}`, ours, "bare virsh", median(found[kind][THEIRS]), "1.2");
  }
  for (const { name } of [...builds, theirs]) tools.virsh("destroy", name);
  const name = builds.at(-1).name;
  row("guest's longest stall, nothing is done", { [name]: median(idle) }, "–", undefined);
}

const READ_MIB = 16;
const READ_BYTES = 4096;

/**
 * What a guest waits for a read that its own cache does not answer, over chains whose layers all hold some of it;
 * against a guest whose disk stays as it was, in turns.
 */
export function chains(tools) {
  const { builds, quick, row } = tools;
  imaged(tools);
  const build = builds.at(-1);
  const { name } = build;
  const [deep, flat] = ["deep", "flat"].map((kind) => `${name}-${kind}`);
  for (const guest of [deep, flat]) {
    boot(build, guest);
    inGuest(tools, guest, `dd if=/dev/zero of=/data bs=1M count=${READ_MIB} conv=fsync`);
  }
  /** Microseconds a read. */
  const readIn = (guest) => {
    const line = `read a _ </proc/uptime; dd if=/data of=/dev/null bs=${READ_BYTES} iflag=direct; read b _ </proc/uptime; echo $a $b`;
    const [from, to] = inGuest(tools, guest, line).trim().split(" ").map(Number);
    return ((to - from) * 1e6) / ((READ_MIB * 1024 ** 2) / READ_BYTES);
  };
  const measure = (what, aim = "") => {
    const times = { [deep]: [], [flat]: [] };
    for (let round = 0; round < 3; round += 1) for (const guest of [deep, flat]) times[guest].push(readIn(guest));
    const [long, short] = [deep, flat].map((guest) => median(times[guest]));
    row(`guest's read of 4 KiB, ${what}`, { [name]: long }, "1 layer, in turns", short, aim, "µs");
  };
  let depth = 1;
  const names = [];
  const deepen = (to) => {
    for (; depth < to; depth += 1) {
      names.push(`${deep}/c${depth}`);
      build.estrato("snapshot", "create", deep, `c${depth}`, "--quiesce", "off", "-q");
      const piece = (READ_MIB * 2 ** 20) / 32;
      const at = (depth * piece) / 65536;
      inGuest(tools, deep, `dd if=/dev/zero of=/data bs=64k seek=${at} count=${piece / 65536} conv=notrunc,fsync`);
    }
  };
  for (const to of quick ? [8] : [8, 16, 32]) {
    deepen(to);
    measure(`${to} layers`);
  }
  build.estrato("snapshot", "delete", ...names);
  measure(`${depth} layers collected`, "1.1");
  for (const guest of [deep, flat]) tools.virsh("destroy", guest);
}
