/** What comes into being and goes: `backup create`, `prune` and `delete`. */
import { expect } from "vitest";
import { befallen, busy, printed, withKeys } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { backup } from "./contract.ts";

const IDS = "backup list -f value -c id";
const [FIRST, SECOND, OTHER] = [1, 2, 3].map((n) => `bak-0000000000000000${n}`);
const NEW = "bak-f0000000000000001";
const TO = "--target /backups";
const KEEPS =
  "--keep-last 1 --keep-hourly 1 --keep-daily 2 --keep-weekly 1 --keep-monthly 1 --keep-yearly 1 --keep-within 30d";

const pruned = (id: string | undefined, instance: string, action: "keep" | "remove", ...why: string[]) => ({
  id,
  instance,
  type: instance === "web1" ? "daily" : "manual",
  created_at: `2025-01-01T02:${id === FIRST ? 1 : id === SECOND ? 2 : 3}0:00.000Z`,
  action,
  why,
  steps: [],
});

/** One that is taken also says what rotation removed. */
const taken = (change: Parameters<typeof backup>[0]) => backup({ removed: [], ...change });

export const taking: NounLines = {
  create: {
    also: ["backup"],
    well: [
      {
        line: `backup create web1 --rotation 7 --type daily --name n ${TO} --incremental --quiesce require --disk vda`,
        json: taken({
          id: NEW,
          name: "n",
          type: "daily",
          instance: "web1",
          incremental: true,
          parent: SECOND,
          size_bytes: 1_048_576,
          created_at: "2025-01-01T12:00:00.000Z",
          protected: false,
          consistency: "filesystem",
          compressed: false,
          encrypted: false,
          owner: "ana",
          used_by: [],
          disks: [{ device: "vda", size_bytes: 1_048_576, parent: SECOND }],
        }),
        plan: ["snapshot-create-as", "/backups/bak-", "Write the manifest"],
        after: [IDS, `${[FIRST, SECOND, OTHER, NEW].join("\n")}\n`],
      },
      {
        line: `backup create web1 --rotation 1 --type daily ${TO}`,
        json: taken({ id: NEW, incremental: false, parent: null, removed: [FIRST, SECOND] }),
        plan: ["qemu-img convert", `Backup ${FIRST} will go: beyond rotation 1.`],
        after: [IDS, `${[OTHER, NEW].join("\n")}\n`],
      },
      {
        line: `backup create web2 --compress ${KEEPS} --zone Europe/Berlin ${TO}`,
        json: taken({ type: "manual", instance: "web2", consistency: "offline", compressed: true }),
        plan: ["qemu-img convert"],
      },
      {
        line: `backup create web2 --rotation 7 --encrypt --passphrase-file /key ${TO}`,
        before: withKeys,
        json: taken({ encrypted: true }),
        plan: ["qemu-img convert"],
      },
      {
        line: `backup create web1 web2 --rotation 7 ${TO}`,
        json: [taken({ instance: "web1" }), taken({ instance: "web2" })],
        plan: ["snapshot-create-as"],
      },
    ],
    refused: refusals(
      [`backup create web1 ${TO}`, 2, "--rotation is missing"],
      [`backup create web1 --rotation 0 ${TO}`, 2, "not a whole number"],
      [`backup create web1 --rotation 7 --keep-daily 7 ${TO}`, 2, "--rotation and --keep-*"],
      [`backup create web1 --keep-daily 7 --zone Mars ${TO}`, 2, "time zone"],
      [`backup create web1 --rotation 7 --encrypt ${TO}`, 2, "--encrypt without a passphrase"],
      [`backup create web1 --rotation 7 --passphrase-file /key ${TO}`, 2, "--passphrase-file without --encrypt"],
      [`backup create web1 --rotation 7 --encrypt --passphrase-file /key --compress ${TO}`, 2, "cannot be compressed"],
      [`backup create web1 --rotation 7 --disk vdq ${TO}`, 2, "vdq"],
      ["backup create web1 --rotation 7", 2, "--target is missing"],
      [`backup create nosuch --rotation 7 ${TO}`, 4, "instance nosuch: not found"],
      [`backup create put-by --rotation 7 ${TO}`, 5, "it is shelved"],
      [`backup create web1 --rotation 7 ${TO}`, 5, "another operation is in progress", busy("web1")],
      [`backup create web1 --rotation 7 ${TO}`, 5, "saved", befallen("web1", { managedSave: true })],
      ["backup create web1 --rotation 7 --target /nowhere", 6, "there is no such folder"],
      [`backup create web1 --rotation 7 --quiesce require ${TO}`, 6, "agent", befallen("web1", { agent: false })],
      [`backup create web2 --rotation 7 ${TO}`, 9, "its QEMU runs", befallen("web2", { stray: 7 })],
    ),
    several: { good: "web1", options: `--rotation 7 ${TO}`, words: "backups failed to be taken" },
  },

  prune: {
    well: [
      {
        line: "backup prune --rotation 1",
        json: [
          pruned(SECOND, "web1", "keep", "rotation 1"),
          pruned(FIRST, "web1", "remove", "beyond rotation 1"),
          pruned(OTHER, "web2", "keep", "rotation 1"),
        ],
        plan: [`${FIRST}\tweb1\tdaily\t2025-01-01T02:10:00.000Z\tremove\tbeyond rotation 1`],
        after: [IDS, `${[SECOND, OTHER].join("\n")}\n`],
      },
      {
        line: `backup prune web1 --type daily ${KEEPS} --zone Europe/Berlin --target /backups --passphrase-file /key`,
        json: [SECOND, FIRST].map((id) => ({ ...pruned(id, "web1", "keep"), why: expect.any(Array) })),
        plan: [`${FIRST}\tweb1`],
        after: [IDS, `${[FIRST, SECOND, OTHER].join("\n")}\n`],
      },
      { line: "backup prune --type weekly --rotation 1", json: [], plan: [] },
    ],
    refused: [
      {
        line: "backup prune --rotation 9",
        exit: 3,
        says: "not all could be removed that is to go",
        before: async (on) => {
          on.machine.folders.add("/others");
          await printed(on, "backup web1 --rotation 9 --target /others");
          on.disk.locks.set("/others", {});
        },
        prints: /^(bak-.*\tkeep\trotation 9\n){3}$/,
        notes: [
          "estrato: /others: another operation is in progress. Wait until it is done, or give --lock-timeout to wait for it.",
        ],
        late: true,
      },
      ...refusals(
        ["backup prune", 2, "--rotation is missing"],
        ["backup prune --rotation 1 --keep-last 1", 2, "--rotation and --keep-*"],
        ["backup prune --keep-daily 1 --zone Mars", 2, "time zone"],
        ["backup prune --rotation 1 --target /nowhere", 6, "there is no such folder"],
      ),
    ],
  },

  delete: {
    well: [
      {
        line: `backup delete ${FIRST} -y --target /backups --passphrase-file /key`,
        plan: ["qemu-img commit", `rm -rf /backups/${FIRST}`],
        after: [IDS, `${[SECOND, OTHER].join("\n")}\n`],
      },
      { line: "backup delete nightly -y", plan: [`rm -rf /backups/${FIRST}`] },
      { line: `backup delete -y ${SECOND} ${OTHER}`, plan: ["rm -rf"], after: [IDS, `${FIRST}\n`] },
    ],
    refused: refusals(
      ["backup delete nosuch", 4, "backup nosuch: not found"],
      ["backup delete nightly", 5, "it is protected", "backup protect nightly"],
      [
        "backup delete nightly -y",
        5,
        "still reads from it",
        "backup restore nightly --instance web9 --instant --no-wait",
      ],
    ),
    asks: [
      {
        line: "backup delete nightly",
        asks: `Delete backup ${FIRST} of web1, 2025-01-01T02:10Z?`,
        loses: [`backup ${FIRST} of web1, 2025-01-01T02:10Z`],
        after: [IDS, `${[SECOND, OTHER].join("\n")}\n`],
      },
    ],
    several: { good: "nightly", options: "-y", words: "backups failed to delete" },
  },
};
