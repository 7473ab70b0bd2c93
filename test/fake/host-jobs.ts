/** Block jobs of simulated running guests. */

import type { Action } from "../../src/core/model/action.ts";
import { EstratoError } from "../../src/errors.ts";
import { openDisk } from "./host-disks.ts";
import { findDomain, noteHead, requireRunning } from "./host-domains.ts";
import { commitInto, fileAt, holders, type Reach, rebaseOnto, requireUnfrozen } from "./host-images.ts";
import type { FakeMachine, FakeOpenDisk } from "./host-machine.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

type BlockAction = Of<"block-pull" | "block-commit" | "block-commit-active">;

/**
 * Half: the job is under way without us. libvirt ends a pull or a commit by itself; an active commit waits for a pivot.
 */
export function blockJob(machine: FakeMachine, action: BlockAction, reach: Reach): void {
  const domain = requireRunning(machine, action.domain);
  if (domain.asleep) throw new EstratoError("failed", `virsh ${action.do}: Block node is read-only`);
  const disk = openDisk(domain, action.device);
  const there = domain.jobs.find((job) => job.device === action.device);
  const part = action.do === "block-commit-active" ? (action.part ?? null) : null;
  if (there && part !== null) {
    if (part === "pivot") domain.jobs = domain.jobs.filter((job) => job !== there);
    // Half a pivot: QEMU has switched, libvirt has noted nothing (LIBVIRT.md, trap 12).
    if (part === "pivot") there.finish(reach);
    return;
  }
  if (there) settleJob(machine, { do: "settle-job", domain: action.domain, device: action.device, abort: false });
  const work = plannedWork(machine, disk, action);
  if (work === null) return;
  work.move(reach);
  const finish = (noted: Reach = "whole") => {
    work.move("whole");
    work.relink();
    if (noted === "half") return;
    const head = disk.chain[0] ?? "";
    noteHead(domain, action.device, disk.chain, fileAt(machine, head).format);
  };
  if (reach === "whole" && part !== "ready") finish();
  else domain.jobs.push({ device: action.device, type: work.type, finish, lose: work.lose });
}

interface Work {
  readonly type: string;
  move(reach: Reach): void;
  /** Switches the headers and what QEMU has open. */
  relink(): void;
  lose(): void;
}

/** What is left to do; null where nothing is. */
function plannedWork(machine: FakeMachine, disk: FakeOpenDisk, action: BlockAction): Work | null {
  const { chain } = disk;
  if (action.do === "block-pull") {
    const end = action.base === null ? chain.length : chain.indexOf(action.base);
    if (end < 0) throw new EstratoError("failed", `virsh blockpull: ${action.base} is not in the chain`);
    const head = chain[0] ?? "";
    if (end <= 1) return null;
    const backing = action.base === null ? null : { path: action.base, format: fileAt(machine, action.base).format };
    return {
      type: "pull",
      move: (reach) => rebaseOnto(machine, head, backing, reach === "half" ? "half" : "whole"),
      relink: () => chain.splice(1, end - 1),
      // QEMU 7.2 switches the header before the tables of what was pulled are written (measured)
      lose: () => {
        fileAt(machine, head).backing = backing;
      },
    };
  }
  const top = action.do === "block-commit" ? chain.indexOf(action.top) : 0;
  const base = chain.indexOf(action.base);
  if (action.do === "block-commit" && top < 0 && base >= 0) return null;
  if (action.do === "block-commit-active" && base === 0) return null;
  if (base <= top || (action.do === "block-commit" && top === 0)) {
    throw new EstratoError("failed", `virsh blockcommit: ${action.base} does not lie below in the chain`);
  }
  requireUnfrozen(machine, action.base);
  const { writers, readers } = holders(machine, action.base);
  if (writers + readers > 1) throw new EstratoError("conflict", 'virsh blockcommit: Failed to get "write" lock');
  const layers = chain.slice(top, base);
  const overlay = chain[top - 1];
  return {
    type: action.do === "block-commit" ? "commit" : "active-commit",
    move: (reach) => commitInto(machine, layers, action.base, reach),
    lose: () => undefined,
    relink: () => {
      if (overlay !== undefined) {
        fileAt(machine, overlay).backing = { path: action.base, format: fileAt(machine, action.base).format };
      }
      chain.splice(top, base - top);
    },
  };
}

export function settleJob(machine: FakeMachine, action: Of<"settle-job">): void {
  const domain = findDomain(machine, action.domain);
  const job = domain?.jobs.find((each) => each.device === action.device);
  if (!domain || !job) return;
  if (job.type === "copy")
    throw new EstratoError("conflict", `${action.domain}: another tool's block job is under way`);
  domain.jobs = domain.jobs.filter((each) => each !== job);
  if (!action.abort) job.finish();
}
