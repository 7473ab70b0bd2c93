/** `--if-absent` of what makes a thing: one of that name that is there already is left as it is, and shown. */
import { EstratoError } from "../../errors.ts";
import { flag } from "./options.ts";
import type { Any, Context } from "./tree.ts";

export const ifAbsent = flag("where there is one of that name already, leave it as it is, show it, and exit 0");

/** What `NOUN show TARGET` returns; null where there is none. Throws what else it throws, "not_found" for several. */
export async function thatIsThere(context: Context, name: string, target: string): Promise<Any | null> {
  const entry = context.catalogue[name];
  const noun = entry !== undefined && "noun" in entry ? (await entry.noun()).default : undefined;
  const show = noun?.verbs.show === undefined ? null : (await noun.verbs.show.load()).default;
  const [key, spec] = Object.entries(show?.arguments ?? {})[0] ?? [];
  if (show === null || key === undefined || spec === undefined) return null;
  try {
    return await show.run({ ...context, args: { [key]: spec.take([target]) }, options: {}, name: `${name} show` });
  } catch (error) {
    if (error instanceof EstratoError && error.code === "not_found" && !error.message.includes("ambiguous"))
      return null;
    throw error;
  }
}
