/** Backups that are being taken now, by whoever takes them, and what becomes of them. */
import { EstratoError } from "../../errors.ts";
import type { OperationEvent } from "../model/journal.ts";
import { isAbandoned } from "../operations/entries.ts";
import { dataOf } from "../operations/entry-data.ts";
import type { World } from "../ports.ts";
import { type BackupData, createBackupKind } from "./create-recovery.ts";
import { type BackupFilter, type BackupView, backupsIn, viewBackup } from "./list.ts";
import { openTarget } from "./targets/open.ts";

export interface BackupUnderWay {
  readonly id: string;
  readonly instance: string;
  readonly target: string;
  readonly beganAt: string;
  readonly writtenBytes: number;
  /** At most; null: an estrato takes it that does not say. */
  readonly totalBytes: number | null;
}

const EVERY_MS = 1_000;

/**
 * Goes along until none of them is being taken any more, those that begin meanwhile too, and tells how far they are.
 * Afterwards: all that it saw. Throws "interrupted", and changes nothing.
 */
export async function untilTaken(world: World, filter: BackupFilter): Promise<BackupUnderWay[]> {
  const seen = new Map<string, BackupUnderWay>();
  for (;;) {
    const now = await backupsUnderWay(world, filter);
    for (const one of now) seen.set(one.id, one);
    if (now.length === 0) return [...seen.values()];
    tell(world, now);
    await world.clock.sleep(EVERY_MS, world.signal);
  }
}

function tell(world: World, all: readonly BackupUnderWay[]): void {
  const names = [...new Set(all.map(({ instance }) => instance))].join(", ");
  const title = all.length === 1 ? `Backup of ${names}` : `${all.length} backups, of ${names}`;
  const sum = (bytes: (one: BackupUnderWay) => number) => all.reduce((total, one) => total + bytes(one), 0);
  const totalBytes = sum((one) => one.totalBytes ?? 0);
  const isKnown = totalBytes > 0 && all.every((one) => one.totalBytes !== null);
  // It is a bound, and not done before the whole is.
  const fraction = Math.min(0.99, sum((one) => one.writtenBytes) / totalBytes);
  world.report.progress(title, isKnown ? fraction : null, isKnown ? { totalBytes } : {});
}

/** Whoever takes one holds its locks; what a dead command left is none. */
async function backupsUnderWay(world: World, { instance, type }: BackupFilter): Promise<BackupUnderWay[]> {
  const found: BackupUnderWay[] = [];
  for (const entry of await world.store.journal.list()) {
    if (entry.kind !== createBackupKind.name) continue;
    const data = dataOf(createBackupKind, entry);
    const { id, name } = data.content.instance;
    const isMeant = instance === undefined || instance === id || instance === name;
    if (!isMeant || (type !== undefined && data.content.type !== type) || (await isAbandoned(world, entry))) continue;
    found.push({
      id: data.id,
      instance: name,
      target: data.target,
      beganAt: entry.createdAt,
      writtenBytes: await writtenBytes(world, data),
      totalBytes: data.bytes ?? null,
    });
  }
  return found;
}

/** It may get its name, or go, while we look. */
async function writtenBytes(world: World, { target, part }: BackupData): Promise<number> {
  try {
    const files = openTarget(world, target).unfinished(part);
    const looks = await Promise.all((await files.list()).map((file) => files.look(file)));
    return looks.reduce((bytes, look) => bytes + (look?.sizeBytes ?? 0), 0);
  } catch (error) {
    if (error instanceof EstratoError) return 0;
    throw error;
  }
}

/** Of what was seen: the backups that are there now, and why each other one is not; null: nobody has said it. */
export async function becameOf(
  world: World,
  seen: readonly BackupUnderWay[],
): Promise<{ taken: BackupView[]; failed: { readonly one: BackupUnderWay; readonly why: string | null }[] }> {
  const ids = seen.map(({ id }) => id);
  const targets = [...new Set(seen.map(({ target }) => target))];
  const there = (await Promise.all(targets.map((target) => backupsIn(world, target)))).flat();
  const taken = there.filter(({ id }) => ids.includes(id)).map(viewBackup);
  const gone = seen.filter(({ id }) => !taken.some((one) => one.id === id));
  const events = gone.length === 0 ? [] : await world.store.events.list();
  return { taken, failed: gone.map((one) => ({ one, why: whyNot(events, one) })) };
}

function whyNot(events: readonly OperationEvent[], { instance, beganAt }: BackupUnderWay): string | null {
  const last = events.findLast(
    ({ operation, target, result, time }) =>
      operation === createBackupKind.name && target === instance && result !== "done" && time >= beganAt,
  );
  return last === undefined ? null : (last.message ?? last.result);
}
