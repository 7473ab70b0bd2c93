/** `backup restore`: to a new instance, in the place of the one it was taken of, or one disk as a volume. */

import * as v from "valibot";
import { COLLECTED_LATER } from "../layers/freed.ts";
import { forgetSecret } from "../layers/secrets.ts";
import type { Image, Layer } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { notFound } from "../names.ts";
import { run } from "../operations/operation.ts";
import { rehearsed } from "../operations/rehearsal.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, OpenEntry, Outcome, World } from "../ports.ts";
import type { BorrowedImage } from "../sharing/borrow.ts";
import { dropSnapshots, unlinkRecords } from "../snapshots/drop.ts";
import { ancestorsOf, type Backup } from "./backup.ts";
import { borrowBackup } from "./borrow.ts";
import { findBackup, requireNoProblems, requireWhole, type WholeBackup } from "./find.ts";
import { type DefinitionWish, dropImport, type Import, importSteps, planImport, REMEMBERS } from "./import.ts";
import { dropKey, giveKey, planKey, requireKey } from "./key.ts";
import { backupsIn } from "./list.ts";
import type { Manifest } from "./manifest.ts";
import { examineAll } from "./verify.ts";

/** What the journal remembers: what was copied back for it, which goes in the end whatever became of it. */
interface RestoreData {
  readonly image: Image;
  readonly layers: readonly Layer[];
  /** The snapshot through which an instance was brought back in place. */
  readonly snapshot: string | null;
  /** The UUID of the one that comes back as itself. */
  readonly instance: string | null;
  /** libvirt's secret that opens the backup: it stays where a layer that was made of it needs it. */
  readonly secret: string | null;
}

export const restoreKind: Kind<RestoreData> = {
  name: "backup.restore",
  forQemu: () => true,
  version: 2,
  older: { 1: (data) => ({ ...(data as object), instance: null }) },
  data: v.object({
    image: recordSchemas.image,
    layers: v.array(recordSchemas.layer),
    snapshot: v.nullable(v.string()),
    instance: v.nullable(v.string()),
    secret: v.nullable(v.string()),
  }),
  recover: recoverRestore,
};

export interface RestoreRequest {
  readonly targets: readonly string[];
  readonly backup: string;
  /** Devices; none: all. */
  readonly disks: readonly string[];
  readonly passphraseFile: string | null;
  /** Locks that `use` needs besides. */
  readonly locks: (manifest: Manifest) => readonly string[];
  /** The snapshot that `use` makes, so that a crash leaves none. */
  readonly snapshot?: string;
  /** The instance that is to boot from it where it lies. */
  readonly boots?: string;
  /** The UUID that `use` makes, where it is the one that the backup was taken of. */
  readonly instance?: string;
  /** What becomes of its definition; left out: what is taken by name is kept, for nobody. */
  readonly definition?: DefinitionWish;
}

/**
 * What `use` is handed: an image that holds what the backup held, and is gone afterwards. One that is booted from is
 * not recorded: `loan` has it.
 */
export interface Restored {
  readonly image: Image;
  readonly loan: BorrowedImage | null;
  readonly manifest: Manifest;
  readonly locks: HeldLocks;
}

/**
 * Reads a backup whole (a flipped byte is "integrity", and nothing is made of it), copies it back, and lets `use` make
 * of it what was asked for. One that is booted from is neither read whole nor copied. A dry run returns the plan of the
 * copy.
 */
export async function restore<T>(
  world: World,
  request: RestoreRequest,
  use: (within: World, restored: Restored) => Promise<T>,
): Promise<T | PlanView> {
  const first = requireWhole(await findBackup(world, request.targets, request.backup));
  // What boots from it remembers the backup as what it was made of.
  const id = request.boots === undefined ? world.ids.next("img") : first.id;
  const names = [id, first.target, ...request.locks(first.manifest)];
  const { passphraseFile } = request;
  return withLocks(world, names, async (locks) => {
    const known = new Map((await backupsIn(world, first.target)).map((one) => [one.id, one]));
    const backup = foundAgain(known, first);
    const { encrypted } = backup.manifest;
    requireKey(encrypted, passphraseFile, `backup ${backup.id}`);
    const secret = encrypted ? await planKey(world, passphraseFile) : null;
    const plan = await planFrom(world, backup, known, id, request, secret);
    const given = giveKey(world, secret, passphraseFile, backup.id);
    const definition = request.definition ?? { trust: null, instance: null, isItself: false };
    const steps = [...given, ...importSteps(world, plan, definition)];
    let made: T | undefined;
    const planUse = async (within: World) => {
      const on = await rehearsed(within);
      const done = importSteps(on, plan, definition).filter(({ id }) => REMEMBERS.has(id));
      for (const step of done) await step.run?.();
      const answer = await use(on, { image, loan, manifest: backup.manifest, locks });
      return answer;
    };
    const { image, layers, loan } = plan;
    const make = async (within: World) => {
      const wanted = { image, loan, manifest: backup.manifest, locks };
      if (!within.dryRun) made = await use(within, wanted);
      return within.dryRun ? planUse(within) : made;
    };
    return run<RestoreData, T>(world, locks, {
      kind: restoreKind,
      target: backup.id,
      data: { image, layers, snapshot: request.snapshot ?? null, instance: request.instance ?? null, secret },
      steps: [
        ...steps,
        { id: MAKE.id, title: MAKE.title, child: make },
        {
          id: "forget-copy",
          title: "Forget the copy",
          shown: layers.some((layer) => layer.secret !== null) ? [] : dropKey(secret),
          run: () => forget(world, locks, plan, request.snapshot ?? null),
        },
      ],
      notes: [COLLECTED_LATER],
      result: async () => made as T,
    });
  });
}

function foundAgain(known: ReadonlyMap<string, Backup>, { id }: WholeBackup): WholeBackup {
  const found = known.get(id);
  if (found === undefined) throw notFound("backup", id);
  return requireWhole(found);
}

async function planFrom(
  world: World,
  backup: WholeBackup,
  known: ReadonlyMap<string, Backup>,
  id: string,
  { disks, boots }: RestoreRequest,
  secret: string | null,
): Promise<Import> {
  if (boots !== undefined) return borrowBackup(world, backup, known, { id, devices: disks, name: boots }, secret);
  await requireSound(world, backup, known);
  return planImport(world, backup, id, disks, secret);
}

const MAKE: Step = { id: "make-wanted", title: "Make of it what was asked for" };

/** All of it is read. */
async function requireSound(world: World, backup: WholeBackup, known: ReadonlyMap<string, Backup>): Promise<void> {
  const { problems } = await examineAll(world, [backup.id, ...ancestorsOf(backup, known)], known);
  requireNoProblems(backup, problems);
}

async function forget(
  world: World,
  locks: HeldLocks,
  plan: Pick<Import, "image" | "layers" | "secret">,
  snapshot: string | null,
): Promise<void> {
  if (snapshot !== null) {
    for (const action of unlinkRecords(world, [snapshot])) await world.host.perform(action);
    await world.store.update((draft) => dropSnapshots(draft, [snapshot]));
  }
  await dropImport(world, plan);
  await forgetSecret(world, locks, plan.secret);
}

/** What `use` began has a journal entry of its own, which was recovered before: only the copy is left to go. */
async function recoverRestore(
  world: World,
  locks: HeldLocks,
  data: RestoreData,
  { createdAt }: OpenEntry<RestoreData>,
): Promise<Outcome> {
  const state = await world.store.read();
  const ids = new Set(data.layers.map(({ id }) => id));
  const used =
    state.instances[data.instance ?? ""] !== undefined ||
    Object.values(state.layers).some(({ parent }) => parent !== null && ids.has(parent)) ||
    Object.values(state.instances).some((one) => one.image === data.image.id && one.createdAt >= createdAt);
  await forget(world, locks, data, data.snapshot);
  return used ? "forward" : "back";
}
