/**
 * What a guest's firmware keeps outside its disks: its variables (NVRAM) and the state of an emulated TPM. Small files,
 * which travel with every snapshot, image and shelf. An encrypted TPM state (`<encryption secret='…'/>`) travels as it
 * is, and needs the same libvirt secret.
 */
import * as v from "valibot";
import { EstratoError } from "../errors.ts";
import { type Action, unlinkAll } from "./model/action.ts";
import type { DomainDefinition } from "./model/host.ts";
import type { State } from "./model/state.ts";
import { FROZEN } from "./modes.ts";
import type { Step } from "./operations/steps.ts";
import type { World } from "./ports.ts";

/** The paths of a guest's files, or the names of copies in the store's nvram/. Null where there is none. */
export interface Firmware {
  readonly nvram: string | null;
  readonly tpm: string | null;
}

/** Of a volume alone, or of a file from outside. */
export const NO_FIRMWARE: Firmware = { nvram: null, tpm: null };

export interface Copy {
  readonly from: string;
  readonly to: string;
}

/** As the journal remembers them. */
export const copySchema = v.object({ from: v.string(), to: v.string() });
export const firmwareSchema = v.object({ nvram: v.nullable(v.string()), tpm: v.nullable(v.string()) });

/** Those that are there: libvirt makes them at the first start. */
export async function firmwareOf(world: World, { nvram, tpm }: DomainDefinition): Promise<Firmware> {
  const there = async (path: string | null) =>
    path !== null && (await world.host.fileInfo(path)) !== null ? path : null;
  return { nvram: await there(nvram), tpm: await there(tpm) };
}

/** The names that copies get for the snapshot or image of this id. */
export function copyNames(id: string, present: Firmware): Firmware {
  return { nvram: present.nvram === null ? null : nvramName(id), tpm: present.tpm === null ? null : tpmName(id) };
}

function nvramName(id: string): string {
  return `${id}.fd`;
}

function tpmName(id: string): string {
  return `${id}.tpm`;
}

/**
 * Copies of a guest's files, under `names`; no step where there is nothing to copy. The guest may run: each file is of
 * one moment.
 */
export function saveFirmware(world: World, present: Firmware, names: Firmware): Step[] {
  const actions: Action[] = [];
  const { paths } = world.store;
  if (present.nvram !== null && names.nvram !== null)
    actions.push({ do: "copy-file", from: present.nvram, to: paths.nvram(names.nvram), mode: FROZEN });
  if (present.tpm !== null && names.tpm !== null)
    actions.push({ do: "save-tpm", from: present.tpm, to: paths.nvram(names.tpm) });
  return actions.length === 0 ? [] : [{ id: "save-firmware", title: SAVE_FIRMWARE, actions }];
}

export const SAVE_FIRMWARE = "Copy what the firmware keeps";

/** The same from one record's copies to another's. */
export function copyCopies(world: World, from: Firmware, to: Firmware): Step[] {
  return saveFirmware(world, pathsOf(world, from), to);
}

/** Where the copies lie. */
export function pathsOf(world: World, { nvram, tpm }: Firmware): Firmware {
  const path = (name: string | null) => (name === null ? null : world.store.paths.nvram(name));
  return { nvram: path(nvram), tpm: path(tpm) };
}

export function copyFiles(world: World, copies: Firmware): string[] {
  return Object.values(pathsOf(world, { nvram: copies.nvram, tpm: copies.tpm })).filter((path) => path !== null);
}

/** What a snapshot or an image keeps beside its layers and its memory: its definition, and these copies. */
export function recordedFiles(world: World, one: Firmware & { readonly definition: string | null }): string[] {
  const definition = one.definition === null ? [] : [world.store.paths.record(one.definition)];
  return [...definition, ...copyFiles(world, one)];
}

/** Idempotent. */
export function unlinkCopies(world: World, copies: Firmware): Action[] {
  return unlinkAll(copyFiles(world, copies));
}

/**
 * Is what libvirt keeps of its TPM ours to remove with it? That of a guest which was there before us stays, like its
 * disks.
 */
export function hasOwnTpm(state: State, uuid: string, definition: DomainDefinition | null): boolean {
  return state.instances[uuid]?.origin === "created" && definition !== null && definition.tpm !== null;
}

/** All copies that a snapshot or image of this id can have. Idempotent. */
export function unlinkCopiesOf(world: World, id: string): Action[] {
  return unlinkCopies(world, { nvram: nvramName(id), tpm: tpmName(id) });
}

/** Throws "integrity" where a copy is gone: `what` is whose they are, "snapshot web1/s1". */
export async function requireCopies(world: World, copies: Firmware, what: string): Promise<void> {
  for (const { path } of await missingCopies(world, copies)) {
    throw new EstratoError("integrity", `${what}: ${path} is not there`, {
      hint: "Put the file back from a copy, and try again.",
    });
  }
}

/** Copies that are recorded and gone. `what`: in the words of people. */
export async function missingCopies(
  world: World,
  copies: Firmware,
): Promise<{ readonly what: "NVRAM" | "TPM state"; readonly path: string }[]> {
  const { nvram, tpm } = pathsOf(world, copies);
  const isGone = async (path: string) => (await world.host.fileInfo(path)) === null;
  return [
    ...(nvram !== null && (await isGone(nvram)) ? [{ what: "NVRAM", path: nvram } as const] : []),
    ...(tpm !== null && (await isGone(tpm)) ? [{ what: "TPM state", path: tpm } as const] : []),
  ];
}

/**
 * The variables of what has this id: a file of ours, since one of libvirt's own naming would wait for the next instance
 * of that name; QEMU's user can reach one beside the heads.
 */
export function nvramFile(world: World, id: string): string {
  return world.store.paths.layer(id).replace(/\.qcow2$/, ".fd");
}
