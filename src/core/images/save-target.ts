/** Where a copy may be written: not over anything that somebody needs. */
import { basename, dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { filesInUse } from "../in-use.ts";
import { layersByFile } from "../layers/foreign-chain.ts";
import type { World } from "../ports.ts";
import { stampOf } from "./save-recovery.ts";

/**
 * Checks `path` (absolute) before anything is made, and returns the stamp of the file that `force` allows to replace,
 * null where there is none. Throws "not_found" for a folder that is not there, "conflict" for a file that is, and for
 * one that an instance or an image lives in.
 */
export async function requireSaveTarget(world: World, path: string, force: boolean): Promise<string | null> {
  const folder = dirname(path);
  if (basename(path) === "" || path.endsWith("/")) throw new EstratoError("usage", `${path}: not the name of a file`);
  if (`${folder}/`.startsWith(`${world.store.paths.home}/`)) {
    throw new EstratoError("conflict", `${path}: that folder is for what estrato keeps itself`, {
      hint: "Choose another folder.",
    });
  }
  if ((await world.host.fileInfo(folder))?.isFolder !== true) {
    throw new EstratoError("not_found", `${folder}: no such folder`, { hint: "Make it first, or choose another." });
  }
  const there = await world.host.fileInfo(path);
  if (there === null) return null;
  // A name in /dev, or a link, would be replaced as readily as a file.
  if (!there.isRegularFile || there.isLink) {
    throw new EstratoError("conflict", `${path}: it is no regular file`, { hint: "Choose the name of a file." });
  }
  if (!force) {
    throw new EstratoError("conflict", `${path}: there is a file of that name`, {
      hint: "Choose another, or say --force to replace it.",
    });
  }
  await requireNobodys(world, path, there.identity);
  return stampOf(world, path);
}

/** By whatever name it is known there, and also what a disk stands on: replaced, it would be another's content. */
async function requireNobodys(world: World, path: string, identity: string): Promise<void> {
  const state = await world.store.read();
  const layer = (await layersByFile(world, state)).get(identity);
  const [user] = layer === undefined ? await (await filesInUse(world, state)).outsiders(path) : [];
  if (layer === undefined && user === undefined) return;
  const whose = layer === undefined ? `what ${user?.name} stands on, or may be` : `the layer ${layer}`;
  throw new EstratoError("conflict", `${path}: it is ${whose}`, { hint: "Choose another name." });
}
