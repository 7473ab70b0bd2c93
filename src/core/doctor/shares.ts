/** Compares what others are told of shared images with the state, and what we borrow with what is there. */
import { EstratoError } from "../../errors.ts";
import { recheckBorrowedBackup } from "../backups/borrow.ts";
import { isBorrowedBackup, markBorrowed } from "../graph/borrowed.ts";
import { standingOn } from "../graph/references.ts";
import { instancesOn } from "../layers/holders.ts";
import type { Image, Layer, State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { audienceOf } from "../sharing/access.ts";
import { cataloguePath, catalogueText, LONGEST_ENTRY_BYTES } from "../sharing/catalogue.ts";
import { isRootsFile, recheckBorrowedImage } from "../sharing/lent-files.ts";
import { publish, SHARES_LOCK, useFolders } from "../sharing/publish.ts";
import { type Finding, unmendable } from "./finding.ts";

/** Every shared image is in the catalogue, as it is, with the folders for who uses it; no other is. */
export async function examineShares(world: World, state: State): Promise<Finding[]> {
  const { paths } = world.store;
  const findings: Finding[] = [];
  for (const image of Object.values(state.images)) {
    if (image.visibility === "private") continue;
    const published = await world.host.readText(cataloguePath(paths, image.id), LONGEST_ENTRY_BYTES);
    const folders = await Promise.all(
      useFolders(paths, image.id, audienceOf(image)).map((path) => world.host.fileInfo(path)),
    );
    if (published?.text === catalogueText(state, image) && !folders.includes(null)) continue;
    findings.push({
      subject: `image ${image.name}`,
      problem: "it is shared, and what others are told of it is missing or old",
      remedy: "Tell them what is so.",
      mending: { locks: [image.id, SHARES_LOCK], loses: [], mend: (w, locks) => tellAgain(w, locks, image) },
    });
  }
  for (const name of await world.host.listFolder(paths.sharesFolder)) {
    const id = name.replace(/\.json$/, "");
    if (Object.hasOwn(state.images, id) && state.images[id]?.visibility !== "private") continue;
    findings.push(await leftOver(world, `${paths.sharesFolder}/${name}`));
  }
  return findings;
}

async function tellAgain(world: World, locks: Parameters<typeof perform>[1], { id }: Image): Promise<void> {
  await perform(world, locks, publish(world.store.paths, await world.store.read(), id));
}

async function leftOver(world: World, path: string): Promise<Finding> {
  if ((await world.host.fileInfo(path))?.isFolder === true) {
    return unmendable(path, "no shared image has this folder", "Remove it where nobody uses it: rm -r.");
  }
  return {
    subject: path,
    problem: "it tells others of an image that is not shared",
    remedy: "Remove the file.",
    mending: { locks: [SHARES_LOCK], loses: [], mend: (w, locks) => perform(w, locks, [{ do: "unlink", path }]) },
  };
}

/** Somebody else's file can still be read, and he still knows that we use it. */
export async function examineBorrowed(world: World, state: State, layer: Layer): Promise<Finding[]> {
  const { borrowed } = layer;
  if (borrowed === undefined) return [];
  const users = standingOn(state, layer.id).join(", ") || "nothing";
  try {
    await (isBorrowedBackup(layer) ? recheckBorrowedBackup(world, layer) : recheckBorrowedImage(world, layer));
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    return [
      unmendable(
        layer.file,
        `${error.message}; ${users} needs it`,
        error.hint ?? `Ask ${borrowed.owner}, whose it is.`,
      ),
    ];
  }
  if (!isBorrowedBackup(layer) && borrowed.trusted !== true && !(await isRootsFile(world, layer.file))) {
    const why = `${users} stands on a file of ${borrowed.owner}'s, who can make it read any file of yours`;
    const mend = async (w: World) => (await import("../sharing/pull-in.ts")).pullIn(w, layer);
    // It takes its locks itself, as every verb does: what was cut off under them is ended first.
    const mending = { locks: [], loses: [], mend };
    return [{ subject: layer.file, problem: why, remedy: "Pull in what it holds.", mending }];
  }
  const marker = await world.host.fileInfo(borrowed.marker).catch(() => null);
  if (marker !== null) return [];
  return [
    {
      subject: layer.file,
      problem: `${isBorrowedBackup(layer) ? borrowed.name : `${borrowed.owner}, whose it is,`} does not know that ${users} needs it`,
      remedy: "Tell it.",
      mending: {
        locks: [...instancesOn(state, [layer.id]), layer.id],
        loses: [],
        again: async (w, now) => {
          const one = now.layers[layer.id];
          return one === undefined ? [] : examineBorrowed(w, now, one);
        },
        mend: (w, locks) => perform(w, locks, [markBorrowed(borrowed)]),
      },
    },
  ];
}
