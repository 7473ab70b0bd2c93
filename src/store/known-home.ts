/** Where a store has always lain. All that it remembers of files are absolute paths below that folder. */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { State } from "../core/model/state.ts";
import { EstratoError } from "../errors.ts";

/** The folder that the paths in a state are of; null where it holds none that says so. */
export function knownHome(state: State, home: string): string | null {
  if (state.binding !== null) return state.binding.home;
  const own = Object.values(state.layers).filter(({ foreign, borrowed }) => foreign === null && borrowed === undefined);
  const homes = own.map(({ file }) => dirname(dirname(file)));
  // Of before states said it. Packed layers may lie anywhere: only what is a store can be the store.
  return homes.includes(home) ? home : (homes.find((each) => existsSync(join(each, "state.json"))) ?? null);
}

/**
 * Opens the store in `home` under the name that it knows itself by: through a link or another mount its files would get
 * a second name, and look like nobody's under the first. Throws "host" for a copy, or a store that was moved: what it
 * remembers are another folder's files.
 */
export async function openAtHome<
  S extends { readonly paths: { readonly home: string }; knownHome(): Promise<string | null> },
>(open: (home: string) => S, home: string): Promise<S> {
  const found = open(home);
  const known = await found.knownHome();
  if (known === null || known === found.paths.home) return found;
  if (isSameFolder(known, found.paths.home)) return open(known);
  throw new EstratoError(
    "host",
    `${found.paths.home}: it is the store of ${known}, and what it remembers are the files there`,
    {
      hint: `Name that with --store; where it was moved, move or mount it there again.`,
    },
  );
}

function isSameFolder(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return a !== undefined && a.dev === b?.dev && a.ino === b.ino;
}
