// Speed as ratios in one run: estrato against virsh, qemu-img and bare node on the same machine, at the same minute.
// Printed, never asserted.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { backups } from "./backups.mjs";
import { scale } from "./scale.mjs";

const bed = process.env.ESTRATO_BED_DIR;
if (process.env.ESTRATO_BED !== "1") throw new Error("the bench runs in a private test host: npm run bench");
const program = resolve(import.meta.dirname, "../../bin/estrato");
const folder = mkdtempSync(join(bed, "bench-"));
execFileSync("chmod", ["0711", folder]);
const home = join(folder, "store");
const env = { ...process.env, ESTRATO_HOME: home };

function run(file, ...args) {
  const began = performance.now();
  const ran = spawnSync(file, args, { env, encoding: "utf8", maxBuffer: 1 << 28 });
  const ms = performance.now() - began;
  if (ran.status !== 0) throw new Error(`${file} ${args.join(" ")}: exit ${ran.status}\n${ran.stderr}`);
  return { ms, stdout: ran.stdout };
}
/** virsh reads no pipe. */
function define(xml) {
  const file = join(folder, "domain.xml");
  writeFileSync(file, xml);
  execFileSync("virsh", ["-q", "define", file]);
}
const estrato = (...args) => run(program, ...args).ms;
estrato.line = (...args) => [program, ...args];
const virsh = (...args) => run("virsh", "-q", ...args).ms;
const node = () => run(process.execPath, "-e", "0").ms;
const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];

/** Medians of several ways, taken in turns, so that a slow minute of the machine hits all of them. */
function inTurns(rounds, ways) {
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [name, way] of Object.entries(ways)) times[name].push(way(round));
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

const rows = [];
function row(what, ours, against, theirs, aim) {
  rows.push({
    case: what,
    "estrato ms": ours.toFixed(0),
    against,
    "their ms": theirs.toFixed(0),
    ratio: (ours / theirs).toFixed(2),
    aim,
  });
}

function bareNode() {
  const t = inTurns(15, { version: () => estrato("--version"), help: () => estrato("--help"), node });
  row("--version", t.version, "node -e 0", t.node, "2");
  row("--help", t.help, "node -e 0", t.node, "2");
}

function listing() {
  const xml = (
    name,
  ) => `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os>
    <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${folder}/${name}.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><source network='default'/></interface></devices></domain>`;
  const names = Array.from({ length: 100 }, (_, index) => `many-${index}`);
  for (const name of names) define(xml(name));
  estrato("flavor", "create", "bench", "--vcpus", "1", "--ram", "64M", "--disk", "16M"); // makes the store
  const t = inTurns(9, { list: () => estrato("instance", "list"), virsh: () => virsh("list", "--all"), node });
  row("instance list, 100 domains", t.list, "virsh list --all + node", t.virsh + t.node, "2");
  for (const name of names) execFileSync("virsh", ["-q", "undefine", name]);
}

function snapshots() {
  estrato("image", "create", "base", "--file", process.env.ESTRATO_BED_GUEST, "--disk-format", "qcow2");
  for (const name of ["ours", "theirs"])
    estrato("instance", "create", name, "--image", "base", "--vcpus", "1", "--ram", "128M", "--wait", "agent");
  const t = inTurns(7, {
    estrato: (round) => estrato("snapshot", "create", "ours", `s${round}`, "--quiesce", "off"),
    virsh: (round) =>
      virsh(
        "snapshot-create-as",
        "theirs",
        `s${round}`,
        "--disk-only",
        "--atomic",
        "--no-metadata",
        "--diskspec",
        `vda,file=${folder}/theirs-${round}.qcow2`,
        "--diskspec",
        "vdz,snapshot=no",
      ),
    node,
  });
  row("snapshot create, running, disks only", t.estrato, "virsh snapshot-create-as + node", t.virsh + t.node, "2.5");
  virsh("destroy", "theirs");
}

/** A guest that is off, and whose disk holds so much. */
function writtenGuest(name, mib) {
  const file = join(folder, `${name}.qcow2`);
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", file, "12G"]);
  // Written, not sparse: a pattern that is not zero.
  execFileSync("qemu-io", [
    "-f",
    "qcow2",
    "-t",
    "none",
    ...Array.from({ length: Math.ceil(mib / 1024) }, (_, index) => [
      "-c",
      `write -q -P 7 ${index}G ${Math.min(mib, 1024)}M`,
    ]).flat(),
    file,
  ]);
  define(`<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${file}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`);
}

function imagesFromSnapshots() {
  const times = {};
  for (const [size, mib] of [
    ["10 MiB", 10],
    ["1 GiB", 1024],
    ["10 GiB", 10240],
  ]) {
    const name = `data-${mib}`;
    writtenGuest(name, mib);
    estrato("snapshot", "create", name, "s");
    times[size] = median(
      Array.from({ length: 7 }, (_, index) =>
        estrato("image", "create", `${name}-${index}`, "--from-snapshot", `${name}/s`),
      ),
    );
  }
  for (const size of ["1 GiB", "10 GiB"])
    row(`image create --from-snapshot, ${size}`, times[size], "itself at 10 MiB", times["10 MiB"], "1.2");
}

function shelving() {
  const times = {};
  for (const [size, mib] of [
    ["10 MiB", 10],
    ["10 GiB", 10240],
  ]) {
    const name = `shelf-${mib}`;
    writtenGuest(name, mib);
    times[size] = inTurns(7, { shelve: () => estrato("shelve", name), unshelve: () => estrato("unshelve", name) });
  }
  for (const verb of ["shelve", "unshelve"])
    row(`${verb}, 10 GiB`, times["10 GiB"][verb], "itself at 10 MiB", times["10 MiB"][verb], "1.2");
}

function deletion() {
  // base <- a (200 MiB) <- b (40 MiB) <- head: deleting the snapshot of a merges the smaller side, b's 40 MiB.
  const prepare = (name) => {
    const file = (layer) => join(folder, `${name}-${layer}.qcow2`);
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", file("base"), "1G"]);
    define(`<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${file("base")}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`);
    const head = () =>
      Object.values(JSON.parse(readFileSync(join(home, "state.json"), "utf8")).volumes).map((volume) => volume.head);
    estrato("snapshot", "create", name, "root");
    const before = new Set(head());
    const write = (mib) => {
      const state = JSON.parse(readFileSync(join(home, "state.json"), "utf8"));
      const volume = Object.values(state.volumes).find((one) => state.instances[one.instance]?.name === name);
      execFileSync("qemu-io", ["-f", "qcow2", "-c", `write -q -P 9 0 ${mib}M`, state.layers[volume.head].file]);
      return state.layers[volume.head].file;
    };
    write(200);
    estrato("snapshot", "create", name, "a");
    const top = write(40);
    estrato("snapshot", "create", name, "b");
    return { before, top };
  };
  const ours = [];
  const theirs = [];
  for (let round = 0; round < 3; round += 1) {
    prepare(`del-${round}`);
    ours.push(estrato("snapshot", "delete", `del-${round}/a`));
    const base = join(folder, `raw-${round}-a.qcow2`);
    const over = join(folder, `raw-${round}-b.qcow2`);
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", base, "1G"]);
    execFileSync("qemu-io", ["-f", "qcow2", "-c", "write -q -P 9 0 200M", base]);
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", over]);
    execFileSync("qemu-io", ["-f", "qcow2", "-c", "write -q -P 8 0 40M", over]);
    theirs.push(run("qemu-img", "commit", "-q", "-d", over).ms);
  }
  row(
    "snapshot delete, a middle one (40 MiB smaller side)",
    median(ours),
    "qemu-img commit of the smaller side + node",
    median(theirs) + node(),
    "1.5",
  );
}

/**
 * The same guest twice: one saved and resumed by estrato, one by virsh alone. Each round saves, and then resumes what
 * it saved.
 */
function memory() {
  if (spawnSync(program, ["image", "show", "base"], { env }).status !== 0)
    estrato("image", "create", "base", "--file", process.env.ESTRATO_BED_GUEST, "--disk-format", "qcow2");
  for (const name of ["mem-ours", "mem-theirs"])
    estrato("instance", "create", name, "--image", "base", "--vcpus", "1", "--ram", "128M", "--wait", "agent");
  const top = () => /<source file='([^']*\.qcow2)'/.exec(run("virsh", "-q", "dumpxml", "mem-theirs").stdout)[1];
  const overlay = (backing, file) =>
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", file]);
  const saved = (round) => join(folder, `theirs-${round}.save`);
  const bases = [];
  const synced = [];
  const save = inTurns(5, {
    estrato: (round) => estrato("snapshot", "create", "mem-ours", `m${round}`, "--memory"),
    virsh: (round) => {
      bases[round] = top();
      const ms = virsh(
        "snapshot-create-as",
        "mem-theirs",
        `m${round}`,
        "--atomic",
        "--live",
        "--no-metadata",
        "--memspec",
        `file=${saved(round)},snapshot=external`,
        "--diskspec",
        `vda,snapshot=external,file=${folder}/mem-theirs-${round}.qcow2`,
        "--diskspec",
        "vdz,snapshot=no",
      );
      synced.push(ms + run("sync", saved(round)).ms); // virsh alone leaves the memory in the host's cache
      return ms;
    },
    node,
  });
  row(
    "snapshot create --memory",
    save.estrato,
    "virsh snapshot-create-as --memspec, sync + node",
    median(synced) + save.node,
    "2.5",
  );
  row(
    "snapshot create --memory",
    save.estrato,
    "virsh snapshot-create-as --memspec + node",
    save.virsh + save.node,
    "2.5",
  );
  const resume = inTurns(5, {
    estrato: (round) => estrato("snapshot", "revert", `mem-ours/m${round}`, "--discard", "-y"),
    // What a person would do by hand, prepared: only destroy and restore are timed.
    virsh: (round) => {
      const head = `${folder}/mem-back-${round}.qcow2`;
      overlay(bases[round], head);
      const xml = join(folder, `mem-${round}.xml`);
      const text = run("virsh", "-q", "save-image-dumpxml", saved(round)).stdout;
      writeFileSync(xml, text.replaceAll(bases[round], head).replace(/<backingStore[^>]*\/>/g, ""));
      return virsh("destroy", "mem-theirs") + virsh("restore", saved(round), "--xml", xml, "--running");
    },
    node,
  });
  row(
    "snapshot revert, memory",
    resume.estrato,
    "virsh destroy, virsh restore + node",
    resume.virsh + resume.node,
    "2.5",
  );
  for (const name of ["mem-ours", "mem-theirs"]) virsh("destroy", name);
}

const tools = { run, estrato, virsh, row, inTurns, node, median, folder, define, program, env };
const cases = {
  bareNode,
  listing,
  snapshots,
  memory,
  imagesFromSnapshots,
  shelving,
  deletion,
  backups: () => backups(tools),
  scale: () => scale(tools, [160, 2000]),
};
const asked = process.argv.slice(2);
try {
  for (const [name, bench] of Object.entries(cases)) if (asked.length === 0 || asked.includes(name)) bench();
} finally {
  console.table(rows);
  rmSync(folder, { recursive: true, force: true });
}
