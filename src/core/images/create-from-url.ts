/** `image create --url`: a file is downloaded, compared with what vouches for it, and then is one from outside. */
import { EstratoError } from "../../errors.ts";
import type { Image } from "../model/state.ts";
import { requireName } from "../names.ts";
import { isPlan, type PlanView, perform } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { makeImageFromFile, planImageFromFile } from "./create-from-file.ts";
import { download, downloadFile, downloadLock } from "./download.ts";
import { type Expectation, requireDownloadable, sumText } from "./download-source.ts";
import { type ExpectedSum, expectedSum } from "./expected-sum.ts";
import { imageNameLock, requireFreeImageName } from "./names.ts";
import type { NewImageOptions } from "./record.ts";

export interface CreateFromUrlOptions extends NewImageOptions {
  readonly url: string;
  readonly expected: Expectation;
  readonly diskFormat: "qcow2" | "raw" | null;
}

/**
 * Makes an image of type "base" of what the URL gives. Throws what `requireDownloadable`, `expectedSum`, the download
 * and an image from a file throw. Nothing is left behind then but, for a day, the part of a download that was cut off
 * and can be gone on with. A dry run fetches the sums alone, and returns the plan.
 */
export async function createImageFromUrl(world: World, options: CreateFromUrlOptions): Promise<Image | PlanView> {
  const { name } = options;
  requireName("image", name);
  const url = requireDownloadable(options.url, options.expected);
  const id = world.ids.next("img");
  return withLocks(world, [id, imageNameLock(name), downloadLock(url)], async (locks) => {
    requireFreeImageName(await world.store.read(), name);
    const expected = await expectedSum(world, url, options.expected);
    // Of qcow2 the image is at least as large as the file, which is there until then.
    const copies = options.diskFormat === "raw" ? 1 : 2;
    const sum = await download(world, locks, { url, target: name, expected, copies });
    const from = { ...options, url, file: downloadFile(world, url) };
    if (isPlan(sum)) return planned(sum, await planImageFromFile(world, id, from), expected);
    const checksum = sumText(sum);
    if (expected.verified === "none") {
      world.report.note(`${url}: nothing vouches for it. What came has the sum ${checksum}; next time: --checksum`);
    }
    const downloaded = { url, checksum, verified: expected.verified };
    return orForgotten(world, locks, from.file, () => makeImageFromFile(world, locks, id, { ...from, downloaded }));
  });
}

/** What came whole and is refused would be refused again; where the command was only interrupted it goes on with it. */
async function orForgotten<T>(world: World, locks: HeldLocks, file: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const isOver = error instanceof EstratoError && error.code !== "interrupted" && error.code !== "timeout";
    if (isOver) await perform(world, locks, [{ do: "unlink", path: file }]);
    throw error;
  }
}

function planned(first: PlanView, then: PlanView, { sum, verified }: ExpectedSum): PlanView {
  const by = verified === "signature" ? ", as its signed list says" : "";
  const note = sum === null ? "Nothing vouches for what comes." : `It must have the sum ${sumText(sum)}${by}.`;
  return { steps: [...first.steps, ...then.steps], notes: [...first.notes, ...then.notes, note], freesBytes: null };
}
