/** What an entry remembers, as recovery may rely on it: loaded only where there is something to recover. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import type { JournalEntry, KindName } from "../model/journal.ts";
import type { Kind, World } from "../ports.ts";

/**
 * What an entry remembers, in the shape that its kind has now. Throws "integrity" where it was written by a newer
 * estrato, or is not what that kind writes: nothing is recovered by guessing.
 */
export function dataOf<Data>(kind: Kind<Data>, entry: JournalEntry): Data {
  if (entry.version > kind.version) throw foreign(entry);
  let { data } = entry;
  for (let version = entry.version; version < kind.version; version += 1) {
    const step = kind.older?.[version];
    if (step === undefined) throw foreign(entry);
    try {
      data = step(data);
    } catch (cause) {
      throw strange(entry, `not of version ${version}`, cause); // it walks a shape that is not there
    }
  }
  const checked = v.safeParse(kind.data, data, { abortEarly: true });
  if (checked.success) return checked.output;
  const [issue] = checked.issues;
  throw strange(entry, `${v.getDotPath(issue) ?? "data"}: ${issue.message}`);
}

/** Nothing that any version has written: a damaged entry, though the rest of it can be read. */
export class StrangeData extends EstratoError {}

function strange({ id, kind }: JournalEntry, why: string, cause?: unknown): EstratoError {
  return new StrangeData("integrity", `journal entry ${id}: ${kind}: ${why}`, {
    hint: 'It is not what this version of estrato writes: "estrato doctor --repair" puts it aside.',
    cause,
  });
}

/** What is wrong with what an entry remembers; null where its kind can read it, or this version has no such kind. */
export async function faultIn(world: World, entry: JournalEntry): Promise<EstratoError | null> {
  const load = Object.hasOwn(world.kinds, entry.kind) ? world.kinds[entry.kind as KindName] : undefined;
  if (load === undefined) return null;
  try {
    dataOf(await load(), entry);
    return null;
  } catch (error) {
    if (error instanceof EstratoError) return error;
    throw error;
  }
}

function foreign({ id, kind, version }: JournalEntry): EstratoError {
  return new EstratoError(
    "integrity",
    `journal entry ${id}: ${kind}, version ${version}: this estrato cannot read it`,
    {
      hint: "It was written by another version of estrato: run any command of that version, which ends it.",
    },
  );
}
