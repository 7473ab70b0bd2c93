/** What is done to whole folders of the simulated machine, and the sums of its files. */
import { createHash } from "node:crypto";
import type { Action } from "../../src/core/model/action.ts";
import type { BlockSums } from "../../src/core/model/host.ts";
import { EstratoError } from "../../src/errors.ts";
import { bytesOf, fileAt, type Reach } from "./host-images.ts";
import type { FakeMachine } from "./host-machine.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

function inside(machine: FakeMachine, folder: string): string[] {
  return [...machine.files.keys()].filter((path) => path.startsWith(`${folder}/`));
}

export function moveFolder(machine: FakeMachine, { from, to }: Of<"move-folder">): void {
  if (!machine.folders.has(from) && machine.folders.has(to)) return;
  if (machine.folders.has(to)) throw new EstratoError("conflict", `${to}: it is there already`);
  if (!machine.folders.delete(from)) throw new EstratoError("failed", `${from}: no such folder`);
  machine.folders.add(to);
  for (const path of inside(machine, from)) {
    machine.files.set(to + path.slice(from.length), fileAt(machine, path));
    machine.files.delete(path);
  }
}

/** Half: some of its files are gone. */
export function discardFolder(machine: FakeMachine, { path }: Of<"discard-folder">, reach: Reach): void {
  const files = inside(machine, path);
  const inner = [...machine.folders].find((folder) => folder.startsWith(`${path}/`));
  if (inner !== undefined) throw new EstratoError("conflict", `${path}: there is a folder in it (${inner})`);
  for (const file of reach === "half" ? files.slice(0, 1) : files) machine.files.delete(file);
  if (reach === "whole") machine.folders.delete(path);
}

/** One block: what the file itself holds. */
export function sumsOf(machine: FakeMachine, path: string): BlockSums {
  const file = machine.files.get(path);
  if (file === undefined) throw new EstratoError("not_found", `${path}: no such file`);
  const content = JSON.stringify([[...file.clusters].sort(([a], [b]) => a - b), file.text, file.sizeBytes]);
  return {
    sizeBytes: file.format === "raw" ? content.length : bytesOf(file),
    sums: [createHash("sha256").update(content).digest("hex")],
  };
}
