// Backups of disks that are partly full, against qemu-img convert and virtnbdbackup (Debian's package) in one run.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { both, idleDomain } from "./measure.mjs";
import { profile } from "./profile.mjs";

const MiB = 1024 ** 2;
const CHANGED_MIB = 10;
const PASSPHRASE = "correct horse battery staple";

/**
 * A running guest, without an operating system, whose disk is `mib` full of what does not compress. What changes is
 * written through QEMU's monitor.
 */
function fullGuest({ folder, define, virsh }, name, mib) {
  const piece = join(folder, "piece.raw");
  const disk = join(folder, `${name}.qcow2`);
  const pieceMib = Math.min(mib, 512);
  execFileSync("sh", ["-c", `head -c ${pieceMib * MiB} /dev/urandom > '${piece}'`]);
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", disk, `${mib * 2}M`]);
  for (let at = 0; at < mib; at += pieceMib)
    execFileSync("qemu-io", ["-f", "qcow2", "-c", `write -q -s ${piece} ${at}M ${pieceMib}M`, disk]);
  execFileSync("sync", [disk]);
  rmSync(piece);
  define(idleDomain(name, disk));
  virsh("start", name);
  return disk;
}

/** Writes so much of the disk anew. */
function change({ virsh }, name, round, mib) {
  for (let at = 0; at < CHANGED_MIB; at += 1) {
    const write = `write -P ${(round * 16 + at) % 255} ${((at * 47 + round) % (mib - 12)) * MiB} ${MiB}`;
    virsh(
      "qemu-monitor-command",
      name,
      "--hmp",
      `qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "${write}"`,
    );
  }
}

/** What a build's backups need: its guest, and a target of its own. */
function prepared(tools, kind, mib) {
  const { builds, folder } = tools;
  return new Map(
    builds.map((build) => {
      const name = `${build.name}-${kind}`;
      const disk = fullGuest(tools, name, mib);
      const target = join(folder, `target-${name}`);
      mkdirSync(target);
      build.estrato("instance", "adopt", name);
      const backup = (...more) => build.estrato("backup", name, "--target", target, "--rotation", "99", ...more);
      return [build.name, { name, disk, target, backup }];
    }),
  );
}

/** A copy as a person would make it. A new file each time, as a backup is. */
function convert({ run, folder }, disk, name, ...how) {
  const to = join(folder, `${name}.qcow2`);
  return both(run("qemu-img", ["convert", "-U", ...how, "-O", "qcow2", disk, to]), run("sync", [to]));
}

export function backups(tools) {
  const { perBuild, builds, inTurns, rounds, row, node, run, virsh, folder, hasNbd } = tools;
  const own = prepared(tools, "bak", 512);
  const { disk } = own.get("now");
  const count = rounds(5);
  const nbd = (level, to) => run("virtnbdbackup", ["-d", "nbd-bak", "-l", level, "-o", to]);
  if (hasNbd) fullGuest(tools, "nbd-bak", 512);
  let newest; // its incremental ones go where the last full one is; there may have been fewer rounds than were wished
  const full = inTurns(count, {
    ...perBuild((build) => own.get(build.name).backup()),
    convert: (round) => convert(tools, disk, `copy-${round}`),
    ...(hasNbd
      ? {
          nbd: (round) => {
            newest = join(folder, `nbd-${round}`);
            return nbd("full", newest);
          },
        }
      : {}),
    node,
  });
  row("backup, full, 512 MiB", full, "qemu-img convert, sync + node", both(full.convert, full.node), "1.4");
  row("backup, full, 512 MiB", full, "virtnbdbackup -l full", full.nbd, "0.33");

  const inc = inTurns(count, {
    ...perBuild((build, round) => {
      const { name, backup } = own.get(build.name);
      change(tools, name, round, 512);
      return backup("--incremental");
    }),
    ...(hasNbd
      ? {
          nbd: (round) => {
            change(tools, "nbd-bak", round, 512);
            return nbd("inc", newest);
          },
        }
      : {}),
  });
  row("backup, incremental, 10 MiB", inc, "virtnbdbackup -l inc", inc.nbd, "0.5");
  const build = builds.at(-1);
  merge(tools, build, own.get("now"));
  const line = ["backup", own.get("now").name, "--target", own.get("now").target, "--rotation", "99"];
  change(tools, own.get("now").name, 9, 512);
  tools.profiles.push(profile(tools, build, "backup create, full, 512 MiB", () => line));
  tools.profiles.push(profile(tools, build, "backup create, incremental", () => [...line, "--incremental"]));
  for (const { name } of own.values()) virsh("destroy", name);
  if (hasNbd) virsh("destroy", "nbd-bak");
}

/** The oldest on which one stands: a full one, with a delta of 10 MiB above. */
function merge({ row, run, node, folder }, build, { target }) {
  const list = JSON.parse(build.estrato("backup", "list", "--target", target, "-f", "json").stdout);
  const chain = list.filter(({ incremental }) => incremental);
  const disk = (id) => join(target, id, "vda.qcow2");
  const bytes = (value) => ({ ms: value / 1024, cpuMs: 0, rssMiB: 0 });
  const held = statSync(disk(chain.at(-1).id)).blocks * 512;
  const name = build.name;
  row(
    "bytes of an incremental backup",
    { [name]: bytes(held) },
    "bytes changed",
    bytes(CHANGED_MIB * MiB),
    "1.1",
    "KiB",
  );
  const [base, top] = ["base", "top"].map((one) => join(folder, `${one}.qcow2`));
  run("cp", [disk(chain[0].parent), base]);
  run("cp", [disk(chain[0].id), top]);
  run("chmod", ["600", base, top]);
  run("qemu-img", ["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", base, top]);
  const commit = both(both(run("qemu-img", ["commit", "-q", "-d", top]), run("sync", [base])), node());
  const merged = build.estrato("backup", "delete", chain[0].parent, "--target", target, "-y");
  row("rotation's merge, 10 MiB into 512", { [name]: merged }, "qemu-img commit -d, sync + node", commit);
}

/** What costs more than copying. */
export function sealedBackups(tools) {
  const { perBuild, inTurns, rounds, row, node, folder, virsh } = tools;
  const own = prepared(tools, "seal", 128);
  const { disk } = own.get("now");
  const file = join(folder, "passphrase");
  writeFileSync(file, `${PASSPHRASE}\n`, { mode: 0o600 });
  const luks = [
    "--object",
    `secret,id=s,data=${PASSPHRASE}`,
    "-o",
    "encrypt.format=luks,encrypt.iter-time=250,encrypt.key-secret=s",
  ];
  const kinds = {
    compressed: { ours: ["--compress"], theirs: ["-c"] },
    encrypted: { ours: ["--encrypt", "--passphrase-file", file], theirs: luks },
  };
  for (const [kind, { ours, theirs }] of Object.entries(kinds)) {
    const t = inTurns(rounds(3), {
      ...perBuild((build) => own.get(build.name).backup(...ours)),
      convert: (round) => convert(tools, disk, `${kind}-${round}`, ...theirs),
      node,
    });
    row(`backup, full, ${kind}, 128 MiB`, t, "qemu-img convert alike, sync + node", both(t.convert, t.node));
  }
  for (const { name } of own.values()) virsh("destroy", name);
}

export function largeBackups(tools) {
  const { perBuild, inTurns, rounds, row, node, virsh, folder, quick } = tools;
  const gib = quick ? 1 : 4;
  const own = prepared(tools, "large", gib * 1024);
  const { disk } = own.get("now");
  const t = inTurns(rounds(3), {
    ...perBuild((build) => own.get(build.name).backup()),
    convert: (round) => convert(tools, disk, `large-${round}`),
    node,
  });
  row(`backup, full, ${gib} GiB`, t, "qemu-img convert, sync + node", both(t.convert, t.node), "1.15");
  row(`memory of backup, full, ${gib} GiB`, t, "–", undefined, "200", "MiB");
  for (const { name, target } of own.values()) {
    virsh("destroy", name);
    rmSync(target, { recursive: true });
  }
  for (let round = 0; round < rounds(3); round += 1) rmSync(join(folder, `large-${round}.qcow2`), { force: true });
}

const NIGHT_MIB = 32;

/** As cron does it where each instance has a line of its own: all at one time, into one target. */
export async function night(tools) {
  const { builds, quick, row, run, meanwhile, virsh, virshAll, folder, define, hasNbd } = tools;
  const count = quick ? 4 : 20;
  const piece = join(folder, "night.raw");
  execFileSync("sh", ["-c", `head -c ${NIGHT_MIB * MiB} /dev/urandom > '${piece}'`]);
  const names = (who) => Array.from({ length: count }, (_, index) => `${who}-night-${index}`);
  const all = [...builds.map(({ name }) => name), ...(hasNbd ? ["nbd"] : [])].flatMap(names);
  for (const name of all)
    run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", piece, join(folder, `${name}.qcow2`)]);
  define(...all.map((name) => idleDomain(name, join(folder, `${name}.qcow2`))));
  virshAll(all.map((name) => `start ${name}`));
  const timed = async (work) => {
    const began = performance.now();
    await work();
    return { ms: performance.now() - began, cpuMs: 0, rssMiB: 0 };
  };
  const line = (build, name) => [
    "backup",
    name,
    "--target",
    join(folder, `night-${build.name}`),
    "--rotation",
    "9",
    "--lock-timeout",
    "10m",
    "-q",
  ];
  const [together, oneByOne, oneLine] = [{}, {}, {}];
  const inOneLine = (build) => {
    const [first, ...rest] = names(build.name);
    const [verb, , ...options] = line(build, first);
    return build.estrato(verb, first, ...rest, ...options);
  };
  for (const build of builds) {
    mkdirSync(join(folder, `night-${build.name}`));
    inOneLine(build); // adopts them; what follows is a night like any other, with layers to collect
  }
  for (const build of builds)
    oneByOne[build.name] = await timed(() => {
      for (const name of names(build.name)) build.estrato(...line(build, name));
    });
  for (const build of builds)
    together[build.name] = await timed(() =>
      Promise.all(names(build.name).map((name) => meanwhile(build.program, line(build, name), build.env))),
    );
  for (const build of builds) oneLine[build.name] = inOneLine(build);
  const nbdLine = (name) => ["-d", name, "-l", "full", "-o", join(folder, `${name}-nbd`)];
  const nbd = hasNbd
    ? await timed(() => Promise.all(names("nbd").map((name) => meanwhile("virtnbdbackup", nbdLine(name)))))
    : undefined;
  const what = `${count} backups of ${NIGHT_MIB} MiB`;
  row(`${what}, at one time`, together, "one after the other", oneByOne, "1");
  row(`${what}, at one time`, together, "virtnbdbackup, at one time", nbd, "1");
  row(`${what}, one line for all`, oneLine, "one after the other", oneByOne);
  for (const name of all) virsh("destroy", name);
}
