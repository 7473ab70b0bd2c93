// A store as it is after years: a state of many guests with many snapshots, each with its files, made from one guest of
// the program's own by copying its rows. Lists and figures are measured on it, and on a store that has next to nothing.
import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { median, put } from "./measure.mjs";

/** Each guest has so many snapshots, one on the other. */
const SNAPSHOTS = 10;
const IMAGES = 2000;
const PAGE = 4096;

/** A store with one guest that is off, and what its rows and files are copied from. */
function lay({ folder, env }, build, kind, snapshots) {
  const home = join(folder, `${kind}-${build.name}`);
  const first = `${kind}-${build.name}-00000`;
  const estrato = (...args) => build.estrato("--store", home, ...args);
  const blank = join(folder, "blank.qcow2");
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", blank, "16M"]);
  estrato("image", "create", "base", "--file", blank, "-q");
  const shape = ["--vcpus", "1", "--ram", "64M", "--no-start", "--network", "none"];
  estrato("instance", "create", first, "--image", "base", ...shape, "-q");
  for (let index = 0; index < snapshots; index += 1) estrato("snapshot", "create", first, `s${index}`, "-q");
  const state = JSON.parse(readFileSync(join(home, "state.json"), "utf8"));
  const [image] = Object.values(state.images);
  const shared = new Set(image.disks.map(({ layer }) => layer));
  const [uuid] = Object.keys(state.instances);
  const rows = ["layers", "snapshots", "volumes", "instances"].flatMap((table) =>
    Object.entries(state[table]).flatMap(([id, row]) =>
      shared.has(id) ? [] : [{ table, id, text: JSON.stringify(row) }],
    ),
  );
  const ids = rows.filter(({ table }) => table !== "instances").map(({ id }) => id);
  const files = [
    ...ids.filter((id) => id.startsWith("lay-")).map((id) => `layers/${id}.qcow2`),
    ...readdirSync(join(home, "records")).map((name) => `records/${name}`),
  ].map((name) => ({ name, ...piecesOf(readFileSync(join(home, name))) }));
  const xml = execFileSync("virsh", ["-q", "dumpxml", "--inactive", uuid], { encoding: "utf8", env });
  const frozen = new Set(Object.values(state.layers).flatMap(({ id, frozen: is }) => (is ? [id] : [])));
  return { build, home, first, uuid, rows, ids, files, xml, image, frozen, guests: 1 };
}

/**
 * Adds guests until there are so many. Nothing that a verb does to them is refused: `doctor` finds nothing. `like`: the
 * store whose domains these are; libvirt gets no others then, and what looks at their files finds those of the other.
 */
function extend(tools, store, guests, { like = store, images = 0 } = {}) {
  const { home, ids, files, rows, image, frozen } = store;
  const stateFile = join(home, "state.json");
  const text = readFileSync(stateFile, "utf8");
  const state = JSON.parse(text);
  const names = new RegExp([...ids, store.uuid, store.first].join("|"), "g");
  const documents = [];
  for (let guest = store.guests; guest < guests; guest += 1) {
    const number = String(guest).padStart(5, "0");
    // Names of one length, so that what a header says stays where it is.
    const renamed = (one) =>
      one.replace(names, (name) => {
        if (name === store.uuid) return `${like.uuid.slice(0, -5)}${number}`;
        return `${(name === store.first ? like.first : name).slice(0, -5)}${number}`;
      });
    for (const { table, id, text: row } of rows) state[table][renamed(id)] = JSON.parse(renamed(row));
    for (const { name, bytes, pieces } of files) {
      const id = /lay-[0-9a-f]+/.exec(name)?.[0];
      const fd = openSync(join(home, renamed(name)), "w", id !== undefined && !frozen.has(id) ? 0o600 : 0o400);
      ftruncateSync(fd, bytes);
      for (const { at, text: piece } of pieces) writeSync(fd, renamed(piece), at, "latin1");
      closeSync(fd);
    }
    if (like === store) documents.push(renamed(store.xml));
  }
  for (let index = 0; index < images; index += 1) {
    const id = `img-${String(index).padStart(17, "0")}`;
    state.images[id] = { ...image, id, name: `image-${index}` };
  }
  state.writes += 1;
  writeFileSync(stateFile, `${JSON.stringify(state, undefined, text.includes("\n ") ? 1 : undefined)}\n`);
  rmSync(join(home, "things"), { recursive: true, force: true });
  mkdirSync(join(home, "things"), { mode: 0o700 });
  for (let at = 0; at < documents.length; at += 100) tools.define(...documents.slice(at, at + 100));
  store.guests = guests;
}

/** What is not zero of an image, whose names are all in one piece: ten thousand of them are gigabytes else. */
function piecesOf(content) {
  const bytes = content.length;
  const length = content.toString("latin1", 0, 3) === "QFI" ? PAGE : bytes;
  const pieces = [];
  for (let at = 0; at < bytes; at += length) {
    const piece = content.subarray(at, at + length);
    if (piece.some((byte) => byte !== 0)) pieces.push({ at, text: piece.toString("latin1") });
  }
  return { bytes, pieces };
}

const LINES = {
  "snapshot list -c name": ["snapshot", "list", "-f", "value", "-c", "name"],
  "snapshot list, all columns": ["snapshot", "list", "-f", "json"],
  usage: ["usage"],
  doctor: ["doctor"],
  "instance list": ["instance", "list"],
  "completion of a snapshot": ["__complete", "snapshot", "show", ""],
};
const CREATE = "snapshot create -q";
const DELETE = "snapshot delete -q";

let made = 0;

function line({ build, home, first }, name) {
  // By the environment: completion did not always look for --store in the line that it completes.
  if (LINES[name] !== undefined) return build.estratoAt(home, ...LINES[name]);
  const estrato = (...words) => build.estrato("--store", home, "snapshot", ...words, "-q");
  made += 1;
  const created = estrato("create", first, `n${made}`);
  return name === CREATE ? created : estrato("delete", `${first}/n${made}`);
}

export function scale(tools) {
  const { builds, inTurns, rounds, row, quick, virshAll } = tools;
  const [small, large] = ["few", "many"].map((kind) =>
    Object.fromEntries(builds.map((build) => [build.name, lay(tools, build, kind, kind === "few" ? 1 : SNAPSHOTS)])),
  );
  const ways = (stores, kind, name) =>
    Object.fromEntries(builds.map(({ name: build }) => [`${kind}:${build}`, () => line(stores[build], name)]));
  const of = (t, kind) => Object.fromEntries(builds.map(({ name }) => [name, t[`${kind}:${name}`]]));
  const against = "an empty store";
  const grown = (guests, options = {}) => {
    const now = large.now;
    for (const { name } of builds.toReversed())
      extend(tools, large[name], guests, options.share && name !== "now" ? { ...options, like: now } : options);
    for (const { name } of builds) line(large[name], CREATE); // writes the records of what was laid
  };
  const compared = (count, names, aims, turns) => {
    for (const name of names) {
      const t = inTurns(turns, { ...ways(large, "large", name), ...ways(small, "small", name) });
      row(`${name}, ${count} snapshots`, of(t, "large"), against, of(t, "small"), aims[name] ?? "");
    }
  };
  const later = ["snapshot list -c name", CREATE, DELETE, "instance list", "completion of a snapshot"];
  const few = Object.fromEntries(later.map((name) => [name, {}]));
  /** On a libvirt that has next to nothing either: before the large store is made, and when it has gone. */
  const lookAtFew = () => {
    for (const name of later)
      for (let round = 0; round < rounds(3); round += 1)
        for (const build of builds) put(few[name], build.name, line(small[build.name], name));
  };
  lookAtFew();

  const [lists, sums] = [Object.keys(LINES).slice(0, 2), ["usage", "doctor"]];
  grown(160 / SNAPSHOTS);
  compared(160, lists, { [lists[0]]: "1.2", [lists[1]]: "3" }, rounds(5));
  compared(160, sums, { usage: "1 s", doctor: "2 s" }, rounds(3));
  if (!quick) {
    grown(2000 / SNAPSHOTS);
    compared(2000, lists, { [lists[0]]: "2" }, rounds(3));
    compared(2000, sums, { usage: "linear", doctor: "linear" }, 1);
  }
  const count = quick ? 2000 : 10_000;
  grown(count / SNAPSHOTS, { share: true, images: quick ? IMAGES / 5 : IMAGES });
  const found = Object.fromEntries(later.map((name) => [name, inTurns(rounds(3), ways(large, "large", name))]));
  for (const name of Object.keys(LINES)) found[name] ??= inTurns(1, ways(large, "large", name));
  const known = (guests) => Array.from({ length: guests - 1 }, (_, index) => String(index + 1).padStart(5, "0"));
  for (const [index, { name }] of builds.entries()) {
    const store = large[name];
    const own = name === "now" ? known(store.guests) : known((quick ? 160 : 2000) / SNAPSHOTS);
    virshAll(own.map((number) => `undefine ${store.uuid.slice(0, -5)}${number}`));
    if (index === builds.length - 1) lookAtFew();
  }
  const aims = { [CREATE]: "3", "instance list": "2.5", "completion of a snapshot": "2.5", [lists[0]]: "3" };
  for (const name of later) {
    const theirs = Object.fromEntries(builds.map((build) => [build.name, median(few[name][build.name])]));
    row(`${name}, ${count} snapshots`, of(found[name], "large"), against, theirs, aims[name]);
  }
  for (const [name, t] of Object.entries(found))
    row(`memory of ${name}, ${count} snapshots`, of(t, "large"), "–", undefined, "200", "MiB");
}
