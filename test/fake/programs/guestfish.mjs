#!/usr/bin/env node
// What src/host asks of guestfish(1), on a folder of this host in place of a disk: FAKE_GUEST names a JSON file with
// `root` (that folder), `fileSystems`, `systems` and `unmountable`. The words are those of guestfish 1.48;
// test/host/guest-files-contract.ts asks both.
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

if (process.argv.includes("--version")) {
  process.stdout.write("guestfish 1.48.6\n");
  process.exit();
}
const { root, fileSystems, systems, unmountable = {} } = JSON.parse(readFileSync(process.env.FAKE_GUEST, "utf8"));
const said = (text) => writeSync(1, text);
const bytes = (text) => Buffer.from(text, "latin1");
const ADVICE =
  "Did you mean to open a disk image?  guestfish -a disk.img\nFor a list of commands:             guestfish -h\nFor complete documentation:         man guestfish\n";
let line = 0;
let mounted = false;

/** Words; in double quotes `\xNN` is a byte. */
function wordsOf(text) {
  const found = [];
  for (const [, quoted, plain] of text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g))
    found.push(plain ?? quoted.replace(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))));
  return found;
}

/** In the guest: a link never leads out of its root. */
function within(path) {
  return Buffer.concat([Buffer.from(root), bytes(path)]);
}

/** As chroot(2) has it: an absolute link is of the guest, and nothing is above its root. */
function resolved(path, links = 0) {
  let at = "";
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  for (const [index, part] of parts.entries()) {
    if (part === "..") at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
    else if (lstatSync(within(`${at}/${part}`)).isSymbolicLink()) {
      if (links > 40) throw new Error("realpath: Too many levels of symbolic links");
      const to = readlinkSync(within(`${at}/${part}`), { encoding: "latin1" });
      const rest = parts.slice(index + 1).join("/");
      return resolved(`${to.startsWith("/") ? to : `${at}/${to}`}/${rest}`, links + 1);
    } else at += `/${part}`;
  }
  return at || "/";
}

function stat(path) {
  const one = lstatSync(within(path), { bigint: true });
  const mtime = one.mtimeNs / 1_000_000_000n;
  return {
    st_dev: 2048,
    st_ino: one.ino,
    st_mode: one.mode,
    st_nlink: one.nlink,
    st_uid: one.uid,
    st_gid: one.gid,
    st_rdev: one.rdev,
    st_size: one.size,
    st_mtime_sec: mtime,
    st_mtime_nsec: one.mtimeNs % 1_000_000_000n,
  };
}

const NOT_THERE = { st_dev: 0, st_ino: -1, st_mode: 0, st_nlink: 0, st_uid: 0, st_gid: 0, st_rdev: 0, st_size: 0 };
const fields = (one, indent) =>
  Object.entries(one)
    .map(([key, value]) => `${indent}${key}: ${value}\n`)
    .join("");

function needsMount() {
  if (!mounted) throw new Error("you must call 'mount' first to mount the root filesystem");
}

const VERBS = {
  "add-drive": () => {},
  run: () => {},
  echo: (...words) => said(`${words.join(" ")}\n`),
  "list-filesystems": () => said(fileSystems.map(([device, type]) => `${device}: ${type}\n`).join("")),
  "inspect-os": () => said(systems.map(({ root: device }) => `${device}\n`).join("")),
  "inspect-get-mountpoints": (device) =>
    said(
      systems
        .find((one) => one.root === device)
        .mounts.map(([at, on]) => `${at}: ${on}\n`)
        .join(""),
    ),
  "mount-ro": (device, at) => {
    if (unmountable[device]) throw new Error(`mount: ${unmountable[device]}`);
    if (!fileSystems.some(([one]) => one === device)) throw new Error(`mount_ro: ${device}: No such file or directory`);
    if (at === "/") mounted = true;
  },
  realpath: (path) => {
    needsMount();
    writeSync(1, bytes(`${resolved(path)}\n`));
  },
  lstatns: (path) => {
    needsMount();
    said(fields(stat(path), ""));
  },
  lstatnslist: (folder, list) => {
    const names = [...list.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
    for (const [index, name] of names.entries()) {
      let found = NOT_THERE;
      try {
        found = stat(`${folder}/${name}`);
      } catch {}
      said(`[${index}] = {\n${fields(found, "  ")}}\n`);
    }
  },
  ls0: (folder, file) => {
    const names = readdirSync(within(folder), { encoding: "latin1" });
    writeFileSync(file, bytes(names.map((name) => `${name}\0`).join("")));
  },
  "tar-out": (folder, file) => {
    const out = openSync(file, "w");
    const { status } = spawnSync("tar", ["-C", join(root, folder), "--numeric-owner", "-cf", "-", "."], {
      stdio: ["ignore", out, "ignore"],
    });
    closeSync(out);
    if (status !== 0) throw new Error(`tar_out: ${folder}: tar exited with status ${status}`);
  },
  download: (path, file) => {
    const out = openSync(file, "w");
    execFileSync("cat", [within(path).toString()], { stdio: ["ignore", out, "ignore"] });
    closeSync(out);
  },
};

for await (const text of createInterface({ input: process.stdin })) {
  line += 1;
  const [, minus, name, rest = ""] = /^(-?)(\S+) ?(.*)$/.exec(text) ?? [];
  let complaint = null;
  if (!VERBS[name]) complaint = `${name}: unknown command\n${ADVICE}`;
  else {
    try {
      VERBS[name](...wordsOf(rest));
    } catch ({ message, code }) {
      const why = code === "ENOENT" ? `${name}: ${wordsOf(rest)[0]}: No such file or directory` : message;
      complaint = `*stdin*:${line}: libguestfs: error: ${why}\n`;
    }
  }
  if (complaint === null) continue;
  writeSync(2, complaint);
  if (!minus) process.exit(1);
}
