/**
 * `backup verify --boot`: the last proof. A throw-away guest without a network starts from the backup, which it cannot
 * change.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import { run } from "../operations/operation.ts";
import { isPlan, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { type Backup, diskChain } from "./backup.ts";
import { guestSteps } from "./boot-guest.ts";
import { awaitBoot, type BootProof } from "./boot-wait.ts";
import { findBackup, requireWhole } from "./find.ts";
import { dropKey, giveKey, planKey, requireKey } from "./key.ts";
import { backupsIn, lookIn } from "./list.ts";
import { openTarget } from "./targets/open.ts";
import type { BackupFile } from "./targets/target.ts";
import type { Verified } from "./verify.ts";

/** What the journal remembers: all of it goes in the end. */
interface BootData {
  readonly uuid: string;
  readonly files: readonly string[];
  /** libvirt's secret for the time of it, where the backup is encrypted. */
  readonly secret: string | null;
  /** Whose the backup's files are: libvirt leaves them to QEMU's user (measured on 9.0). */
  readonly owners: readonly Owner[];
}

export const bootKind: Kind<BootData> = {
  name: "backup.boot",
  forQemu: () => true,
  version: 1,
  data: v.object({
    uuid: v.string(),
    files: v.array(v.string()),
    secret: v.nullable(v.string()),
    owners: v.array(v.object({ path: v.string(), uid: v.number(), gid: v.number() })),
  }),
  recover: recoverBoot,
};

interface Owner {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
}

export interface BootOptions extends BootProof {
  /** Where a picture of its screen goes at the end, whatever came of it; null: none. */
  readonly screenshot: string | null;
  /** What opens encrypted ones. */
  readonly passphraseFile: string | null;
}

/**
 * Throws "usage" where one of them (null: of all in the targets) is encrypted and nobody said with what: better before
 * all are read than after.
 */
export async function requireOpener(
  world: World,
  targets: readonly string[],
  words: readonly string[] | null,
  passphraseFile: string | null,
): Promise<void> {
  const all: Backup[] = [];
  if (words === null)
    all.push(...(await lookIn(world, targets)).backups); // one that is away is told when it is read
  else for (const word of words) all.push(...(await found(world, targets, word)));
  for (const { id, manifest } of all) requireKey(manifest?.encrypted ?? false, passphraseFile, `backup ${id}`);
}

/** [] where there is none of that name, which is said when its turn comes. */
async function found(world: World, targets: readonly string[], word: string): Promise<Backup[]> {
  try {
    return [await findBackup(world, targets, word)];
  } catch (error) {
    if (error instanceof EstratoError) return [];
    throw error;
  }
}

/**
 * Starts a guest on overlays of the backup's disks and waits until it is up; then nothing of it is left. Returns how
 * long that took, in ms. Throws "timeout" where it is not up in time; "integrity" where the guest powers off or dies
 * before; "host" for a passphrase that does not open it.
 */
async function bootBackup(world: World, place: string, id: string, options: BootOptions): Promise<number> {
  const first = await findBackup(world, [place], id);
  const uuid = world.ids.uuid();
  return withLocks(world, [uuid, first.target], async (locks) => {
    const known = new Map((await backupsIn(world, first.target)).map((one) => [one.id, one]));
    const backup = requireWhole(known.get(first.id) ?? first);
    const { disks, encrypted } = backup.manifest;
    const target = openTarget(world, backup.target);
    requireKey(encrypted, options.passphraseFile, `backup ${backup.id}`);
    const secret = encrypted ? await planKey(world, options.passphraseFile) : null;
    await requireSpace(world, disks.length * EMPTY_HEAD_BYTES, `booting backup ${backup.id}`);
    const overlays = disks.map(() => world.store.paths.layer(world.ids.next("lay")));
    const nvram = backup.manifest.nvram === null ? null : (overlays[0] ?? "").replace(/\.qcow2$/, ".fd");
    const { consoleLog, oldConsoleLogs } = world.store.paths;
    const files = [...overlays, ...(nvram === null ? [] : [nvram]), consoleLog(uuid), ...oldConsoleLogs(uuid)];
    let tookMs = 0;
    const read = disks.flatMap((disk) => diskChain(target, backup.id, disk, known));
    const data: BootData = { uuid, files, secret, owners: await ownersOf(read) };
    const steps: Step[] = [
      ...giveKey(world, secret, options.passphraseFile, backup.id),
      ...(await guestSteps(world, { backup, target, known, uuid, overlays, nvram, secret })),
      {
        id: "wait-until-up",
        title: "Wait until it is up",
        run: async () => {
          tookMs = await awaitUp(world, uuid, `backup ${backup.id}`, options);
        },
      },
      { id: "throw-away", title: "Throw it away", actions: throwAway(data) },
    ];
    const operation = { kind: bootKind, target: backup.id, data, steps, result: async () => tookMs };
    const took = await run(world, locks, operation);
    return isPlan(took) ? 0 : took;
  });
}

/** Boots those that are sound; one that does not come up says why. */
export async function bootSound(world: World, all: readonly Verified[], options: BootOptions): Promise<Verified[]> {
  const booted: Verified[] = [];
  for (const one of all) {
    if (one.status === "damaged") {
      booted.push(one);
      continue;
    }
    try {
      booted.push({ ...one, booted_ms: await bootBackup(world, one.target, one.id, options) });
    } catch (error) {
      if (!(error instanceof EstratoError) || (error.code !== "timeout" && error.code !== "integrity")) throw error;
      const why = error.message.replace(`backup ${one.id}: `, "");
      booted.push({ ...one, status: "unbootable", problems: [...one.problems, why] });
    }
  }
  return booted;
}

async function awaitUp(world: World, uuid: string, what: string, options: BootOptions): Promise<number> {
  try {
    return await awaitBoot(world, uuid, what, options);
  } finally {
    if (options.screenshot !== null) await world.host.screenshot(uuid, options.screenshot).catch(() => undefined);
  }
}

async function ownersOf(files: readonly BackupFile[]): Promise<Owner[]> {
  const owners: Owner[] = [];
  for (const { backup, file } of files) {
    const found = await backup.look(file);
    if (found !== null) owners.push({ path: backup.image(file).path, uid: found.uid, gid: found.gid });
  }
  return owners;
}

function throwAway({ uuid, files, secret, owners }: BootData): Action[] {
  return [
    { do: "destroy", domain: uuid },
    { do: "undefine", domain: uuid, nvram: false },
    ...unlinkAll(files),
    ...owners.map((owner): Action => ({ do: "set-owner", ...owner, ofLink: true })),
    ...dropKey(secret),
  ];
}

/** Whatever it had come to: nothing of it stays. */
async function recoverBoot(world: World, locks: HeldLocks, data: BootData): Promise<Outcome> {
  const actions = throwAway(data);
  const there = (await world.host.domainStatus(data.uuid)) !== null;
  await perform(world, locks, there ? actions : actions.slice(2));
  return "back";
}
