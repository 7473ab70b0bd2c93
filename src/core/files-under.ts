/**
 * What the disks of a guest are now, and stand on: for recoveries. Between a crash and them others may have put files
 * on ours (an overlay, as backup tools do), so that the top of a disk alone tells nothing.
 */
import { EstratoError } from "../errors.ts";
import type { DomainDefinition, DomainStatus } from "./model/host.ts";
import type { World } from "./ports.ts";
import { isSameFile } from "./same-file.ts";
import { qemuDisksOf } from "./truth.ts";

/** By QEMU where it runs, else by its definition. */
export async function filesUnder(world: World, status: DomainStatus): Promise<ReadonlySet<string>> {
  if (status.live === null) return definedUnder(world, status.inactive);
  return new Set((await qemuDisksOf(world, status)).flatMap(({ chain }) => chain));
}

/** By a definition, and by the headers of what it names. */
export async function definedUnder(world: World, { disks }: DomainDefinition): Promise<ReadonlySet<string>> {
  const files = new Set<string>();
  for (const { source, format } of disks) {
    if (source === null) continue;
    files.add(source);
    for (const path of await chainBelow(world, source, format)) files.add(path);
  }
  return files;
}

/** Is it among them, by whatever name? */
export async function hasFile(world: World, files: ReadonlySet<string>, file: string): Promise<boolean> {
  if (files.has(file)) return true;
  for (const one of files) if (await isSameFile(world, one, file)) return true;
  return false;
}

/** The files from `top` down, by their headers; [] where one of them cannot be read. */
export async function chainBelow(world: World, top: string, format = "qcow2"): Promise<string[]> {
  try {
    return (await world.host.imageChain(top, format)).map(({ path }) => path);
  } catch (error) {
    if (error instanceof EstratoError && error.code !== "interrupted") return [];
    throw error;
  }
}
