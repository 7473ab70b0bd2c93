/** Who still reads from a backup: instances that were booted from it, until their data has been pulled. */
import { EstratoError } from "../../errors.ts";
import { type Backup, standingOnBackup } from "./backup.ts";

/** "instance web1 of /var/lib/estrato", each once. */
export function usersOf({ uses }: Pick<Backup, "uses">): string[] {
  const words = uses.map(({ home, instance, layer }) =>
    home === null ? `an instance (layer ${layer})` : `instance ${instance} of ${home}`,
  );
  return [...new Set(words)];
}

/** Who reads from this backup, or from one that builds on it: its files stay as they are until they do no longer. */
export function readersOf(all: readonly Backup[], id: string): string[] {
  const standing = new Set([id]);
  for (const below of standing) for (const above of standingOnBackup(all, below)) standing.add(above.id);
  return [...new Set(all.filter((one) => standing.has(one.id)).flatMap(usersOf))];
}

/** Throws "conflict" where somebody reads from it. */
export function requireUnread(all: readonly Backup[], id: string): void {
  const [reader, ...others] = readersOf(all, id);
  if (reader === undefined) return;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  throw new EstratoError("conflict", `backup ${id}: ${reader}${more} still reads from it`, {
    hint: "Wait until its data has been pulled, or pull it: estrato doctor --repair, in that store.",
  });
}
