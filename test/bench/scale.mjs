// A store as it is after years: a state of many guests with many snapshots, each with its files, made from one guest of
// the program's own by copying its rows. Lists and figures are measured on it, and on a store that has next to nothing.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Each guest has so many snapshots, one on the other. */
const SNAPSHOTS = 20;

/**
 * Lays a store with `guests` guests, of which libvirt knows all, and SNAPSHOTS snapshots each. Nothing that a verb does
 * to it is refused: `doctor` finds nothing.
 */
function lay({ run, folder, define }, guests) {
  const first = nameOf(guests);
  const home = join(folder, `scale-${guests}`);
  const estrato = (...args) => run.estrato("--store", home, ...args);
  const blank = join(folder, "blank.qcow2");
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", blank, "16M"]);
  estrato("image", "create", "base", "--file", blank);
  estrato(
    "instance",
    "create",
    first,
    "--image",
    "base",
    "--vcpus",
    "1",
    "--ram",
    "64M",
    "--no-start",
    "--network",
    "none",
  );
  for (let index = 0; index < SNAPSHOTS; index += 1) estrato("snapshot", "create", first, `s${index}`);
  const stateFile = join(home, "state.json");
  const state = JSON.parse(readFileSync(stateFile, "utf8"));
  const [image] = Object.values(state.images);
  const shared = new Set(image.disks.map(({ layer }) => layer));
  const [uuid] = Object.keys(state.instances);
  const xml = execFileSync("virsh", ["-q", "dumpxml", "--inactive", uuid], { encoding: "utf8" });
  const ids = [
    ...Object.keys(state.layers).filter((id) => !shared.has(id)),
    ...Object.keys(state.snapshots),
    ...Object.keys(state.volumes),
  ];
  const files = ids
    .filter((id) => id.startsWith("lay-"))
    .map((id) => [`layers/${id}.qcow2`, readFileSync(join(home, `layers/${id}.qcow2`))]);
  const records = readdirSync(join(home, "records")).map((name) => [
    `records/${name}`,
    readFileSync(join(home, "records", name)),
  ]);
  const rows = ["layers", "snapshots", "volumes", "instances"].flatMap((table) =>
    Object.entries(state[table])
      .filter(([id]) => !shared.has(id))
      .map(([id, row]) => [table, id, row]),
  );
  for (let guest = 1; guest < guests; guest += 1) {
    const number = String(guest).padStart(5, "0");
    // Names of one length, so that what a header says stays where it is.
    const renamed = (text) =>
      ids
        .reduce((all, id) => all.replaceAll(id, `${id.slice(0, -5)}${number}`), text)
        .replaceAll(uuid, `${uuid.slice(0, -5)}${number}`)
        .replaceAll(first, `${first.slice(0, -5)}${number}`);
    for (const [table, id, row] of rows) state[table][renamed(id)] = JSON.parse(renamed(JSON.stringify(row)));
    for (const [name, content] of [...files, ...records]) {
      const path = join(home, renamed(name));
      writeFileSync(path, Buffer.from(renamed(content.toString("latin1")), "latin1"), { mode: 0o400 });
    }
    define(renamed(xml));
  }
  execFileSync("chmod", ["-R", "u+w", join(home, "layers")]);
  state.writes += 1;
  writeFileSync(stateFile, `${JSON.stringify(state, undefined, 1)}\n`);
  rmSync(join(home, "things"), { recursive: true });
  mkdirSync(join(home, "things"), { mode: 0o700 });
  for (const layer of Object.values(state.layers)) execFileSync("chmod", [layer.frozen ? "0400" : "0600", layer.file]);
  return { home, guests: Object.keys(state.instances) };
}

/** Of the first guest: all stores are on one libvirt. */
function nameOf(guests) {
  return `of${guests}-00000`;
}

const LINES = {
  "snapshot list -c name": ["snapshot", "list", "-f", "value", "-c", "name"],
  "snapshot list, all columns": ["snapshot", "list", "-f", "json"],
  "instance list": ["instance", "list"],
  usage: ["usage"],
  doctor: ["doctor"],
  "completion of a snapshot": ["__complete", "snapshot", "show", ""],
  "snapshot create -q": null,
};

/** Against the same on a store with one guest, in turns. `counts`: of snapshots. */
export function scale(tools, counts) {
  const { run, row, inTurns, folder, program, env } = tools;
  const estrato = (...args) => run(program, ...args).ms;
  const laid = { run: { estrato }, folder, define: tools.define };
  const small = lay(laid, 1);
  for (const count of counts) {
    const large = lay(laid, Math.ceil(count / SNAPSHOTS));
    for (const [name, words] of Object.entries(LINES)) {
      const on = (laidOut, guests) => (round) =>
        words === null
          ? estrato("--store", laidOut.home, "snapshot", "create", nameOf(guests), `n${count}-${round}`, "-q")
          : estrato("--store", laidOut.home, ...words);
      const t = inTurns(3, { large: on(large, large.guests.length), small: on(small, 1) });
      row(`${name}, ${count} snapshots`, t.large, "the same of 20", t.small, "");
    }
    for (const uuid of large.guests.slice(1)) execFileSync("virsh", ["-q", "undefine", uuid], { env });
  }
}
