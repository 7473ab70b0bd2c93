/** What did not come out, and why: told at the end, the first few of each kind. */
import type { Unpacked } from "../../core/model/guest-files.ts";
import { printable } from "../process-failure.ts";
import { placeText } from "./outgoing.ts";

const SHOWN = 5;

export interface Tally {
  came(kind: "files" | "folders" | "links", bytes?: number): void;
  /** `why`: what is said of all of its kind: "is a device". */
  leaveOut(place: readonly string[] | null, why: string): void;
  unpacked(): Unpacked;
}

export function tally(): Tally {
  const counts = { files: 0, folders: 0, links: 0, bytes: 0 };
  const reasons = new Map<string, { count: number; readonly shown: string[] }>();
  return {
    came(kind, bytes = 0) {
      counts[kind] += 1;
      counts.bytes += bytes;
    },
    leaveOut(place, why) {
      const reason = reasons.get(why) ?? { count: 0, shown: [] };
      reason.count += 1;
      if (reason.shown.length < SHOWN) reason.shown.push(printable(place === null ? "?" : placeText(place)));
      reasons.set(why, reason);
    },
    unpacked: () => ({
      ...counts,
      leftOut: [...reasons].map(([why, { count, shown }]) => {
        const more = count > shown.length ? ` and ${count - shown.length} more` : "";
        return `left out, since ${why}: ${shown.join(", ")}${more}`;
      }),
    }),
  };
}
