/**
 * A file that is fetched for an image, and compared with its sum. It lies beside the layers under a hidden name that
 * its URL gives it, so that the same command finds it again: what was cut off is gone on with, within a day.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, World } from "../ports.ts";
import { type Sum, sumText } from "./download-source.ts";
import type { ExpectedSum } from "./expected-sum.ts";

/** What the journal remembers of a download. */
interface DownloadData {
  readonly url: string;
  readonly file: string; // absolute
}

export const downloadKind: Kind<DownloadData> = {
  name: "image.download",
  version: 1,
  data: v.object({ url: v.string(), file: v.string() }),
  async recover(world, locks, { file }) {
    if (await world.host.isDownloadKept(file)) return "halfway";
    await perform(world, locks, [{ do: "unlink", path: file }]);
    return "back";
  },
};

/** Of two commands that fetch from one URL only one may write. */
export const downloadLock = (url: string): string => `download-${keyOf(url)}`;

const keyOf = (url: string): string => createHash("sha256").update(url).digest("hex").slice(0, 32);

/** Where a download from `url` is kept. */
export function downloadFile(world: World, url: string): string {
  return `${world.store.paths.layersFolder}/.${keyOf(url)}.download`;
}

export interface Wanted {
  readonly url: string;
  readonly target: string; // for whom, for the log
  readonly expected: ExpectedSum;
  /** How often its size must fit. */
  readonly copies: number;
}

/**
 * Afterwards the whole file is at `downloadFile`; returns the sum that was found. Throws "integrity", and keeps
 * nothing, where it is not the expected one. A dry run returns the plan.
 */
export async function download(world: World, locks: HeldLocks, wanted: Wanted): Promise<Sum | PlanView> {
  const { url, target, expected, copies } = wanted;
  const file = downloadFile(world, url);
  const algorithm = expected.sum?.algorithm ?? "sha256";
  let found: Sum | null = null;
  const steps: Step[] = [
    {
      id: "download",
      title: "Download",
      actions: [{ do: "download", url, to: file, copies, mayStop: true }],
    },
    {
      id: "compare-sum",
      title: "Compare its sum",
      run: async () => {
        const onProgress = (fraction: number) => world.report.progress("Compare its sum", fraction);
        found = { algorithm, hex: await world.host.fileSum(file, algorithm, { onProgress, signal: world.signal }) };
        if (expected.sum === null || expected.sum.hex === found.hex) return;
        await perform(world, locks, [{ do: "unlink", path: file }]);
        throw new EstratoError("integrity", `${url}: its sum is ${sumText(found)}, and not ${sumText(expected.sum)}`, {
          hint: "It is not kept. Look whether URL and sum belong together; where they do, somebody has changed the file.",
        });
      },
    },
  ];
  const result = async () => found as unknown as Sum;
  return run(world, locks, { kind: downloadKind, target, data: { url, file }, steps, result });
}
