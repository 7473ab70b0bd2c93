/** The option by which a definition from outside is taken whole. */
import { flag } from "../framework/options.ts";

export const trustDefinition = flag(
  "take the definition that it comes with whole, after a yes to what of this host it names",
);

export const trustOwner = flag(
  "stand on the files of another user's image without copying them: whoever owns them can make the guest read any file of yours",
);
