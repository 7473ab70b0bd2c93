/** Compares what snapshots and images keep beside their layers with the files that are there. */
import { missingCopies } from "../firmware.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { snapshotLabel } from "../snapshots/find.ts";
import { type Finding, unmendable } from "./finding.ts";

/**
 * Every definition, NVRAM and TPM state that a snapshot or an image names is there. Those of shelved instances are
 * looked at with them.
 */
export async function examineKept(world: World, state: State): Promise<Finding[]> {
  const { paths } = world.store;
  const records = new Set(await world.store.listRecords());
  const findings: Finding[] = [];
  const snapshots = Object.values(state.snapshots).map((one) => ({
    subject: `snapshot ${snapshotLabel(state, one)}`,
    definitions: [one.definition, one.memory?.definition ?? null],
    copies: one,
  }));
  const images = Object.values(state.images)
    .filter(({ type }) => type !== "shelved")
    .map((one) => ({ subject: `image ${one.name}`, definitions: [one.definition], copies: one }));
  for (const { subject, definitions, copies } of [...snapshots, ...images]) {
    const files: [what: string, path: string][] = [];
    for (const name of definitions) {
      if (name !== null && !records.has(name)) files.push(["definition", paths.record(name)]);
    }
    for (const { what, path } of await missingCopies(world, copies)) files.push([what, path]);
    for (const [what, path] of files) {
      const remedy =
        "Put the file back from a copy. What its disks hold is whole: a volume or an image can be made of it.";
      findings.push(unmendable(subject, `its ${what} ${path} is missing`, remedy));
    }
  }
  return findings;
}
