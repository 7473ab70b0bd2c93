/** The way from each older shape of the state to ours. */
import { STATE_VERSION } from "../core/model/state.ts";
import { EstratoError } from "../errors.ts";

/** A state of any version, before validation. */
export type RawState = Record<string, unknown>;

/** From version N (its key) to N + 1. Gets a value of its own that it may change. */
export type Migrations = Readonly<Record<number, (older: RawState) => RawState>>;

export const MIGRATIONS: Migrations = { 1: fromOne, 2: fromTwo, 3: fromThree, 4: fromFour };

/** Version 1 grew while it was 1: what came since its first state is filled in where a state lacks it. */
function fromOne(older: RawState): RawState {
  const state: RawState = { bookmarks: {}, storeId: null, targets: {}, schedules: {}, ...older };
  fillIn(state.layers, { busy: null });
  fillIn(state.volumes, { uefi: false });
  fillIn(state.instances, { shelved: null });
  fillIn(state.snapshots, { tpm: null, uefi: false });
  fillIn(fieldsOf(state.snapshots, "memory"), { paused: false, definition: null, qemuVersion: null, machine: null });
  fillIn(state.images, { tpm: null, uefi: false });
  fillIn(state.schedules, { hooks: null });
  fillIn(backupTasks(state), { passphraseFile: null });
  return state;
}

/**
 * Until version 2 a schedule knew its snapshots by a property that held its name, and that anybody could set: what it
 * counted as its own then, it does still.
 */
function fromTwo(older: RawState): RawState {
  const state: RawState = { binding: null, ...older };
  const schedules = rowsOf(state.schedules);
  for (const snapshot of rowsOf(state.snapshots)) {
    const { properties, instance, automatic } = snapshot;
    const name = isObject(properties) ? properties.schedule : undefined;
    const own = schedules.find((one) => one.name === name && one.instance === instance);
    if (own !== undefined && automatic === false) snapshot.schedule = own.id;
  }
  return state;
}

/** Until version 3 no schedule looked at what it had taken. */
function fromThree(older: RawState): RawState {
  fillIn(backupTasks(older), { verify: null });
  return older;
}

/**
 * Until version 4 no image was downloaded, and no port led to an instance: nothing is to be said of either. An instance
 * did not keep the layers of its image: of one that is still there it does now.
 */
function fromFour(older: RawState): RawState {
  const images = new Map(rowsOf(older.images).map((image) => [image.id, image]));
  for (const instance of rowsOf(older.instances)) {
    const image = images.get(instance.image);
    if (image === undefined) continue;
    const { id, name, disks, uefi, tpm } = image;
    instance.base = { image: id, name, disks, uefi, tpm: tpm !== null };
  }
  return older;
}

/** Gives each row of a table what it lacks. What is no table of rows is left to the validation. */
function fillIn(table: unknown, missing: Readonly<Record<string, unknown>>): void {
  if (!isObject(table)) return;
  for (const row of Object.values(table).filter(isObject)) {
    for (const [key, value] of Object.entries(missing)) if (!Object.hasOwn(row, key)) row[key] = value;
  }
}

/** That field of each row. */
function fieldsOf(table: unknown, key: string): unknown[] {
  return rowsOf(table).map((row) => row[key]);
}

/** What the schedules of backups are to do. */
function backupTasks(state: RawState): unknown[] {
  return fieldsOf(state.schedules, "task").filter((task) => isObject(task) && task.kind === "backup");
}

function rowsOf(table: unknown): Record<string, unknown>[] {
  return isObject(table) ? Object.values(table).filter(isObject) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/**
 * Brings `raw` to version `target` step by step. `where` names the file for the messages.
 * Throws "host" for a state of a newer estrato, "integrity" where there is no version or no way.
 */
export function migrate(
  raw: RawState,
  where: string,
  migrations = MIGRATIONS,
  target: number = STATE_VERSION,
): RawState {
  let version = versionOf(raw, where);
  if (version > target) {
    throw new EstratoError(
      "host",
      `${where}: written by a newer estrato (version ${version}, this one knows ${target})`,
      {
        hint: "Upgrade estrato on this host.",
      },
    );
  }
  let state = raw;
  while (version < target) {
    const step = migrations[version];
    if (step === undefined) {
      throw new EstratoError("integrity", `${where}: no way from version ${version} to ${target}`, {
        hint: "Run `estrato doctor --repair` to go back to what was stored last.",
      });
    }
    version += 1;
    state = { ...step(state), version };
  }
  return state;
}

/** The version that a stored state says it has; "integrity" where it says none. */
export function versionOf(raw: RawState, where: string): number {
  const version = raw.version;
  if (typeof version === "number" && Number.isSafeInteger(version) && version >= 0) return version;
  throw new EstratoError("integrity", `${where}: damaged: it has no version`, {
    hint: "Run `estrato doctor --repair` to go back to what was stored last.",
  });
}
