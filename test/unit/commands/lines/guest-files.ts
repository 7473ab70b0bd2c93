/** `files` and `extract`, which a snapshot and a backup have alike. */

import { EstratoError } from "../../../../src/errors.ts";
import type { FakeGuest } from "../../../fake/guest-files.ts";
import type { Bed } from "../../core/world.ts";
import { secretBackup } from "../estate.ts";
import { type Before, type NounLines, type Refusal, refusals } from "../verb-lines.ts";

/** Before the line, the guest's disks are like this. */
const guest = (change: (guest: FakeGuest) => void) => (on: Bed) => change(on.machine.guest);

const file = (path: string, change: object) => ({
  type: "file",
  mode: "0644",
  owner: "0:7",
  uid: 0,
  gid: 7,
  size_bytes: 0,
  modified_at: "2026-01-02T03:04:05.000Z",
  path,
  ...change,
});
const folder = (path: string) => file(path, { type: "folder" });
const NEW_LINE = file("/etc/new\nline", {});
const FSTAB = file("/etc/fstab", { mode: "0640", size_bytes: 6 });

const withoutSystem = (...types: string[]) =>
  guest((one) => {
    one.systems.length = 0;
    one.fileSystems.length = 0;
    one.fileSystems.push(...types.map((type, index) => ({ device: `vda${index + 1}`, type })));
  });
const refusing = (error: EstratoError) =>
  guest((one) => {
    one.refusal = error;
  });
const twoSystems = guest((one) => {
  one.systems.push({ root: "vda2", mounts: [] });
});
const unmountable = guest((one) => void one.unmountable.set("vda1", "bad superblock"));

const FIRST = "bak-00000000000000001";
const taken = (names: number) => ({ to: "/out", files: names, folders: 0, links: 0, size_bytes: 2048, left_out: [] });
const there = (on: Bed) => void on.machine.folders.add("/out");
const both =
  (one: Before | undefined, other: (on: Bed) => void): Before =>
  async (on) => {
    other(on);
    if (typeof one === "function") await one(on);
  };

/** `line`: "snapshot files web1/first"; what all of them refuse alike. */
function looksRefused(line: string, busy: Before): Refusal[] {
  const of = (more: string, exit: number, says: string, before?: Before) =>
    refusals(before === undefined ? [`${line} ${more}`, exit, says] : [`${line} ${more}`, exit, says, before]);
  return [
    ...of("etc", 2, "etc: it is no absolute path"),
    ...of("/nosuch", 4, "/nosuch: no such file"),
    ...of("/ --disk vdz", 4, "it has no disk vdz"),
    ...of("/ --file-system vda7", 4, "vda7: there is no such file system"),
    ...of("/", 4, "no operating system is recognised on it", withoutSystem("ext4", "swap", "xfs")),
    ...of("/", 4, "it has 2 operating systems", twoSystems),
    ...of("/ --file-system vda1", 4, "it is no file system (swap)", (on) => {
      withoutSystem("swap")(on);
      unmountable(on);
    }),
    ...of(
      "/",
      6,
      "no kernel is here",
      refusing(new EstratoError("host", "no kernel is here", { hint: "Install one." })),
    ),
    ...of("/", 5, "another operation is in progress", busy),
    ...of("/", 9, "vda1 cannot be mounted: bad superblock", unmountable),
  ].map((one) => ({ ...one, late: true }));
}

/** `target`: "web1/first"; `busy`: another command works on what it stands on. */
function reading(noun: "snapshot" | "backup", target: string, options: string, busy: Before) {
  const [files, extract] = [`${noun} files ${target}`, `${noun} extract ${target}`];
  return {
    files: {
      well: [
        { line: `${files} --disk vda${options}`, json: ["/etc", "/srv", "/home"].map(folder) },
        { line: `${files} /etc/`, json: [FSTAB, NEW_LINE, folder("/etc/nginx")], prints: /\t\/etc\/new\\nline\n/ },
        { line: `${files} /etc/fstab --file-system vda1`, json: [FSTAB] },
        { line: `${files} /home`, json: [] },
        { line: `${files} /etc/fstab`, json: [FSTAB], before: withoutSystem("swap", "ext4") },
      ],
      refused: looksRefused(files, busy),
    },
    extract: {
      well: [
        {
          line: `${extract} /etc /srv --to /out --disk vda${options}`,
          before: there,
          json: taken(2),
          plan: ["qemu-nbd", "Unpack them into /out"],
        },
        {
          line: `${extract} /etc/fstab --to /out --file-system vda1`,
          before: there,
          json: taken(1),
          plan: ["qemu-nbd"],
        },
      ],
      refused: [
        ...looksRefused(`${extract} --to /out`, busy).map((one) => ({ ...one, before: both(one.before, there) })),
        ...refusals(
          [`${extract} /etc /srv/etc --to /out`, 2, "two of them are called etc"],
          [`${extract} / /srv --to /out`, 2, "/ holds all others"],
          [`${extract} /etc --to /nowhere/out`, 4, "/nowhere: no such folder"],
          [
            `${extract} /etc --to /out`,
            5,
            "/out/etc: it is there already",
            (on) => void ["/out", "/out/etc"].map((path) => on.machine.folders.add(path)),
          ],
        ),
      ],
    },
  };
}

const onLayers: Before = (on) => {
  for (const id of Object.keys(JSON.parse(on.disk.state ?? "{}").layers)) on.disk.locks.set(id, {});
};
export const ofSnapshots: NounLines = reading("snapshot", "web1/first", "", onLayers);

const SECRET = secretBackup("web2");
const OF_BACKUPS = reading("backup", "nightly", " --target /backups", (on) => void on.disk.locks.set("/backups", {}));
const opened = "backup files secret /etc/fstab --passphrase-file /key";
const closed = refusals(
  ["backup files secret /", 6, "it is encrypted", SECRET],
  ["backup files secret / --passphrase-file /nowhere", 6, "there is no such file", SECRET],
  ["backup files nosuch", 4, "backup nosuch: not found"],
  ["backup files nightly --target /nowhere", 6, "there is no such folder"],
  ["backup files nightly /", 9, "it is missing", (on) => void on.machine.files.delete(`/backups/${FIRST}/vda.qcow2`)],
);
const extracted = "backup extract secret /etc/fstab --to /out --passphrase-file /key";
export const ofBackups: NounLines = {
  files: {
    well: [...OF_BACKUPS.files.well, { line: opened, before: SECRET, json: [FSTAB] }],
    refused: [...OF_BACKUPS.files.refused, ...closed],
  },
  extract: {
    well: [
      ...OF_BACKUPS.extract.well,
      {
        line: extracted,
        json: taken(1),
        plan: ["qemu-nbd"],
        before: async (on) => {
          there(on);
          await SECRET(on);
        },
      },
    ],
    refused: OF_BACKUPS.extract.refused,
  },
};
