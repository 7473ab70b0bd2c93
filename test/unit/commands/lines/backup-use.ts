/** What reads backups, or marks them: `backup list`, `show`, `verify`, `restore`, `protect` and `unprotect`. */
import type { Bed } from "../../core/world.ts";
import { damaged, onHost, printed, SLOW, secretBackup } from "../estate.ts";
import { type NounLines, refusals, type VerbLines } from "../verb-lines.ts";
import { backup, verified } from "./contract.ts";

const [FIRST, SECOND, OTHER] = [1, 2, 3].map((n) => `bak-0000000000000000${n}`);
const SECRET = secretBackup("web2");
const LOST = "web1: what its memory held is lost; what its disks held is kept as before-revert-20250101-120000";
const READS = `web9 runs, and reads from backup ${FIRST} what is not pulled in yet`;
const ROTTEN = damaged(`/backups/${FIRST}/vda.qcow2`);
const FILE = `/backups/${FIRST}/vda.qcow2`;

const restored = (change: Readonly<Record<string, unknown>>) => ({
  backup: "nightly",
  instance: null,
  volume: null,
  id: null,
  kept: null,
  ...change,
});
const asWeb9 = restored({ instance: "web9", id: "00000000-1111-4000-8000-000000000001" });

function protection(verb: "protect" | "unprotect"): VerbLines {
  const on = verb === "protect";
  return {
    well: [
      {
        line: `backup ${verb} nightly`,
        json: backup({ id: FIRST, name: "nightly", protected: on }),
        plan: on ? [`/backups/${FIRST}/manifest.json`] : [],
        after: ["backup show nightly -f value -c protected", on ? "true\n" : "false\n"],
      },
      {
        line: `backup ${verb} ${FIRST} ${SECOND} --target /backups`,
        before: `backup protect ${FIRST} ${SECOND}`,
        json: [backup({ protected: on }), backup({ protected: on })],
        plan: on ? [] : ["manifest.json"],
      },
    ],
    refused: refusals(
      [`backup ${verb} nosuch`, 4, "backup nosuch: not found"],
      [`backup ${verb} nightly --target /nowhere`, 6, "there is no such folder"],
    ),
    several: { good: "nightly", words: `backups failed to ${verb}` },
  };
}

export const using: NounLines = {
  list: {
    well: [
      { line: "backup list", json: [FIRST, SECOND, OTHER].map((id) => backup({ id })) },
      { line: "backup list web1 --type daily", json: [FIRST, SECOND].map((id) => backup({ id, type: "daily" })) },
      {
        line: "backup list --target /backups --filter incremental=true",
        json: [backup({ id: SECOND, parent: FIRST })],
      },
      { line: "backup list nosuch", json: [] },
      { line: "backup list --follow", json: [], notes: ["No backup is being taken."] },
      {
        line: "backup list --calendar",
        json: [FIRST, SECOND, OTHER].map((id) => backup({ id })),
        prints: /^web1 {2}2025-01 *\nMo .*\n {8} 1F {2}2 [^!]*\nF full {3}i incremental {3}! damaged {3}- missed\n$/s,
      },
    ],
    refused: refusals(["backup list --target /nowhere", 6, "there is no such folder"]),
  },

  show: {
    well: [
      { line: "backup show nightly", json: backup({ id: FIRST, name: "nightly", incremental: false, parent: null }) },
      {
        line: `backup show ${SECOND} ${OTHER} --target /backups`,
        json: [backup({ id: SECOND }), backup({ id: OTHER })],
      },
    ],
    refused: refusals(
      ["backup show nosuch", 4, "backup nosuch: not found"],
      ["backup show nightly --target /nowhere", 6, "there is no such folder"],
    ),
    several: { good: "nightly", words: "backups failed to show" },
  },

  restore: {
    well: [
      {
        line: "backup restore nightly --instance web9 --key-name mykey --network none --no-start --disk vda --target /backups",
        json: asWeb9,
        notes: [SLOW],
        plan: ["qemu-img convert"],
        after: ["instance show web9 -f value -c status -c key_name", "shutoff mykey\n"],
      },
      {
        line: `backup restore nightly --instance web9 --instant`,
        json: asWeb9,
        notes: [SLOW, READS],
        plan: ["start"],
        after: ["instance show web9 -f value -c status", "active\n"],
      },
      {
        line: `backup restore nightly --instance web9 --instant --no-wait`,
        json: asWeb9,
        notes: [SLOW, `${READS}; pull it in: estrato backup restore ${FIRST} --instance web9 --instant`],
        plan: ["start"],
      },
      {
        line: "backup restore nightly --as-it-was --no-start",
        before: "instance delete web1 -y",
        json: restored({ instance: "web1", id: "00000000-0000-4000-8000-000000000001" }),
        notes: [SLOW],
        plan: ["qemu-img convert"],
        after: ["instance show web1 -f value -c status", "shutoff\n"],
      },
      {
        line: "backup restore nightly --in-place -y",
        json: restored({ instance: "web1", kept: "before-revert-20250101-120000" }),
        notes: [LOST],
        plan: ["qemu-img convert"],
      },
      {
        line: "backup restore nightly --volume old --disk vda",
        json: restored({ volume: "old", id: "vol-f0000000000000001" }),
        plan: ["qemu-img convert"],
        after: ["volume show old -f value -c status", "available\n"],
      },
      {
        line: "backup restore secret --volume old --disk vdb --passphrase-file /key",
        before: SECRET,
        json: restored({ backup: "secret", volume: "old", id: "vol-f0000000000000001" }),
        plan: ["qemu-img convert"],
      },
    ],
    refused: [
      ...refusals(
        ["backup restore nightly", 2, "Give one of --instance, --as-it-was, --in-place, --volume"],
        ["backup restore nightly --as-it-was --volume old", 2, "Give one of"],
        ["backup restore nightly --as-it-was --key-name mykey", 2, "--key-name is for a new instance"],
        ["backup restore nightly --as-it-was", 5, "it lives here: web1 has its id"],
        ["backup restore nightly --as-it-was --instant", 5, "it lives here: web1 has its id"],
        ["backup restore nightly --instance web9 --in-place", 2, "Give one of"],
        ["backup restore nightly --volume old --key-name mykey", 2, "--key-name is for a new instance"],
        ["backup restore nightly --in-place --no-start", 2, "--no-start is for a new instance"],
        ["backup restore nightly --instance web9 --instant --no-start", 2, "--instant and --no-start"],
        ["backup restore nightly --instance web9 --no-wait", 2, "--no-wait is for --instant"],
        ["backup restore nightly --volume old --disk vdq", 2, "vdq"],
        ["backup restore secret --volume old --disk vdb", 2, "passphrase", SECRET],
        ["backup restore secret --volume old --passphrase-file /key", 2, "several disks", SECRET],
        ["backup restore nosuch --instance web9", 4, "backup nosuch: not found"],
        [
          "backup restore nightly --in-place",
          4,
          "web1/nightly, web2/nightly",
          "backup web2 --rotation 9 --target /backups --name nightly",
        ],
        ["backup restore nosuch --in-place", 4, "backup nosuch: not found"],
        ["backup restore nightly --instance web9 --key-name nosuch", 4, "keypair nosuch: not found"],
        ["backup restore nightly --instance web9 --network nosuch", 4, "network nosuch: not found"],
        ["backup restore nightly --instance web1", 5, "the name is taken"],
        ["backup restore nightly --instance web1 --instant", 5, "the name is taken"],
        ["backup restore nightly --in-place -y", 5, "it is shelved", "shelve web1"],
        ["backup restore nightly --volume data1", 5, "the name is taken"],
        ["backup restore nightly --instance web9", 6, "space", onHost({ freeBytes: 1 })],
        ["backup restore nightly --instance web9 --target /nowhere", 6, "there is no such folder"],
        ["backup restore nightly --instance web9", 9, FILE, ROTTEN],
      ),
      {
        line: "backup restore secret --volume old --disk vdb --passphrase-file /wrong",
        exit: 6,
        says: "Invalid password",
        before: SECRET,
        late: true,
      },
    ],
    asks: [
      {
        line: "backup restore nightly --in-place",
        asks: "Bring web1 back to 2025-01-01T02:10Z?",
        loses: ["what runs in web1 now; what its disks hold is kept for a while"],
        after: ["snapshot list web1 --filter name=before-revert-20250101-120000 -f value -c automatic", "true\n"],
      },
      {
        line: "backup restore nightly --instance web9 --trust-definition",
        asks: `Take the whole definition of backup ${FIRST}?`,
        loses: [
          "emulator /usr/bin/qemu-system-x86_64",
          "disk vda/source file=/vol-00000000000000001",
          "disk vdz/source file=/fake/estrato/seeds/",
          "interface/source network=default",
          "serial/log file=/fake/estrato/consoles/",
          "console/log file=/fake/estrato/consoles/",
          "rng/backend /dev/urandom",
        ],
        after: ["instance show web9 -f value -c status", "active\n"],
      },
    ],
  },

  verify: {
    well: [
      { line: "backup verify nightly", json: verified({ id: FIRST, name: "nightly", read_bytes: 327_680 }) },
      { line: "backup verify --all --target /backups", json: [FIRST, SECOND, OTHER].map((id) => verified({ id })) },
      { line: `backup verify ${FIRST} ${OTHER}`, json: [verified({ id: FIRST }), verified({ id: OTHER })] },
      { line: "backup verify nightly --data-subset 100%", json: verified({ id: FIRST, name: "nightly" }) },
      { line: "backup verify nightly --boot --timeout 5m --screenshot /tmp/s.png", json: verified({ booted_ms: 0 }) },
      {
        line: "backup verify secret --boot --passphrase-file /key",
        before: SECRET,
        json: verified({ name: "secret", booted_ms: 0 }),
      },
    ],
    refused: [
      ...refusals(
        ["backup verify", 2, "name backups, or give --all"],
        ["backup verify nightly --data-subset 0%", 2, "not a share from 1% to 100%"],
        ["backup verify nightly --all", 2, "name backups, or give --all"],
        ["backup verify nightly --console-text login:", 2, "--console-text is for --boot"],
        ["backup verify nightly --screenshot s.png", 2, "--screenshot is for --boot"],
        ["backup verify secret --boot", 2, "passphrase", SECRET],
        ["backup verify nosuch", 4, "backup nosuch: not found"],
        ["backup verify nightly", 5, "/backups: another operation is in progress", busyAndRotten],
        ["backup verify nightly --target /nowhere", 6, "there is no such folder"],
      ),
      {
        line: "backup verify --all",
        exit: 3,
        says: "1 of 2 targets failed to verify",
        before: async (on) => {
          on.machine.folders.add("/others");
          await printed(on, "backup web1 --rotation 9 --target /others");
          for (const path of on.machine.files.keys()) if (path.startsWith("/others/")) on.machine.files.delete(path);
        },
        prints: /status\tok/,
        notes: ["estrato: /others: the backups that it held are not there. Is its disk mounted?"],
        late: true,
      },
      {
        line: "backup verify secret --boot --passphrase-file /wrong",
        exit: 6,
        says: "Invalid password",
        before: SECRET,
        late: true,
      },
      {
        line: "backup verify nightly",
        exit: 9,
        says: "1 of 1 backups are damaged",
        before: ROTTEN,
        prints: /damaged/,
        notes: [`${FIRST}: ${FILE}: changed between byte 0 and 327679`],
        changes: [`/backups/${FIRST}/damaged.json`],
      },
    ],
    several: { good: "nightly", words: "backups failed to verify" },
  },

  protect: protection("protect"),
  unprotect: protection("unprotect"),
};

function busyAndRotten(on: Bed): void {
  ROTTEN(on);
  on.disk.locks.set("/backups", {});
}
