/** `--trust-definition` of a backup: what of this host its definition names is shown before anything is read back. */
import { type TrustedDefinition, trustDefinition } from "../instances/trusted-definition.ts";
import type { World } from "../ports.ts";
import { findBackup, requireWhole } from "./find.ts";
import { readDefinition } from "./import.ts";
import type { RestoreFrom } from "./restore-to.ts";
import { openTarget } from "./targets/open.ts";

/** Null: the answer is no. Throws "not_found", "integrity", "needs_yes". */
export async function trustBackup(
  world: World,
  { targets, backup }: Pick<RestoreFrom, "targets" | "backup">,
): Promise<TrustedDefinition | null> {
  const { id, target, manifest } = requireWhole(await findBackup(world, targets, backup));
  const xml = await readDefinition(world, openTarget(world, target).backup(id), manifest);
  return trustDefinition(world, xml, `backup ${id}`);
}
