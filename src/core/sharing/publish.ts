/**
 * What makes files and folders say what the state says of a shared image. One list for sharing, taking back, recovery
 * and doctor, all of it idempotent. The order is that of opening; what is taken away goes first.
 */
import { chainOrNull } from "../graph/references.ts";
import type { Action } from "../model/action.ts";
import type { State } from "../model/state.ts";
import type { StorePaths } from "../ports.ts";
import { type Audience, audienceOf, frozenAccess, openTo, together } from "./access.ts";
import { cataloguePath, catalogueText, usesFolder } from "./catalogue.ts";

/** One at a time: what one image gives to read another may not take away. */
export const SHARES_LOCK = "shares";

const ALL = 7;
const LIST = 5;

/** The folders in which an audience says what it uses. */
export function useFolders(paths: StorePaths, image: string, { everybody, users }: Audience): string[] {
  const folder = usesFolder(paths, image);
  return [...users.map(({ uid }) => `${folder}/${uid}`), ...(everybody ? [`${folder}/public`] : [])];
}

/**
 * Closes to `left` (of the audience before) what they had, as long as they use none of it: "conflict" at the first
 * action where they do, which nobody can forestall. An image that nobody may use any longer leaves the catalogue.
 */
export function closeUses(paths: StorePaths, image: string, left: Audience, isLast: boolean): Action[] {
  const folders = useFolders(paths, image, left);
  return [
    ...folders.map((path): Action => ({ do: "remove-folder", path })),
    ...(isLast
      ? [
          { do: "remove-folder", path: usesFolder(paths, image) } as const,
          { do: "unlink", path: cataloguePath(paths, image) } as const,
        ]
      : []),
  ];
}

/**
 * Opens the image to whom `state` says, and to nobody else. Nothing where that is nobody: its files may be merged by
 * now, and have other modes.
 */
export function publish(paths: StorePaths, state: State, id: string): Action[] {
  const image = state.images[id];
  if (image === undefined || image.visibility === "private") return [];
  const audience = audienceOf(image);
  const catalogue = cataloguePath(paths, id);
  return [
    ...openFolder(paths, state),
    { do: "open-passage", path: paths.home },
    { do: "open-passage", path: paths.layersFolder },
    { do: "make-folder", path: usesFolder(paths, id) },
    { do: "open-passage", path: usesFolder(paths, id) },
    ...audience.users.flatMap(({ uid, name }): Action[] => {
      const path = `${usesFolder(paths, id)}/${uid}`;
      return [{ do: "make-folder", path }, openTo({ everybody: false, users: [{ uid, name }] }, path, ALL, ALL)];
    }),
    ...(audience.everybody ? publicUses(`${usesFolder(paths, id)}/public`) : []),
    ...filesOf(state, id),
    { do: "write-file", path: catalogue, text: catalogueText(state, image) },
    openTo(audience, catalogue, 6, 4),
  ];
}

/** Closes the files of an image that `planned` says is nobody's any longer, while its layers may not move yet. */
export function closeFiles(paths: StorePaths, planned: State, id: string): Action[] {
  return [...openFolder(paths, planned), ...filesOf(planned, id)];
}

/** Who may read anything may see that there is something; what it is, each entry says to its own. */
function openFolder(paths: StorePaths, state: State): Action[] {
  return [
    { do: "make-folder", path: paths.sharesFolder },
    openTo(together(Object.values(state.images)), paths.sharesFolder, ALL, LIST),
  ];
}

/** Everybody may make a file here, and take away only his own. */
function publicUses(path: string): Action[] {
  return [
    { do: "make-folder", path },
    { do: "set-access", path, mode: 0o1777, readers: [] },
  ];
}

function filesOf(state: State, id: string): Action[] {
  const layers = new Set((state.images[id]?.disks ?? []).flatMap(({ layer }) => chainOrNull(state, layer) ?? []));
  return [...layers].flatMap((one) => {
    const layer = state.layers[one];
    return layer === undefined ? [] : [frozenAccess(state, layer)];
  });
}
