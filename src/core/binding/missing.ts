import { EstratoError } from "../../errors.ts";
import type { StorePort } from "../ports.ts";

/** A store that is not there. */
export interface Missing {
  readonly store: Pick<StorePort, "paths">;
  /** It was asked for by its folder. */
  readonly isNamed: boolean;
  /** The folder of root's, where there is one and the caller is somebody else. */
  readonly rootsOwn: string | null;
}

/**
 * It is no empty one: a typo in --store, or another user's cron, would be told that there is nothing, and that all is
 * well.
 */
export function missing({ store, isNamed, rootsOwn }: Missing): EstratoError {
  return new EstratoError("host", `there is no store at ${store.paths.home}`, {
    hint: isNamed
      ? "Name another with --store or ESTRATO_HOME; the first thing that is made in it makes it, an image or an instance."
      : `Nothing has been set up here yet; to begin: estrato image create NAME --file FILE.${elsewhere(rootsOwn)}`,
  });
}

/** What a person is told who looks at what is usually there, and for whom it is as if it were empty. */
export function nothingYet({ store, rootsOwn }: Missing): string {
  return `Nothing has been set up here yet: there is no store at ${store.paths.home}.${elsewhere(rootsOwn)}`;
}

function elsewhere(rootsOwn: string | null): string {
  return rootsOwn === null ? "" : ` Root has one, at ${rootsOwn}: put sudo before the line.`;
}
