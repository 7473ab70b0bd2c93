/** Which file of settings `set` and `unset` change. */
import { EstratoError } from "../../errors.ts";
import { flag } from "../framework/options.ts";

export const scopeOptions = {
  user: flag("change your own file"),
  system: flag("change the file of all users; usual for root"),
};

/** Undefined: as usual for whoever calls. Throws "usage" for both. */
export function scopeOf(options: { readonly user: boolean; readonly system: boolean }): "user" | "system" | undefined {
  if (options.user && options.system) {
    throw new EstratoError("usage", "--user and --system: they exclude each other", { hint: "Give one of them." });
  }
  if (options.user) return "user";
  return options.system ? "system" : undefined;
}
