/** Simulated memory: a word that the guest remembers, and the disks of that instant, which it belongs to. */

import type { Action } from "../../src/core/model/action.ts";
import { EstratoError } from "../../src/errors.ts";
import { domainAt, start } from "./host-domains.ts";
import { fileAt, newFile, readChain } from "./host-images.ts";
import type { FakeDomain, FakeFile, FakeMachine } from "./host-machine.ts";

/** The file that a guest's memory is saved to. */
export function savedMemory(machine: FakeMachine, domain: FakeDomain): FakeFile {
  const memory = { ram: domain.ram, disks: contentsOf(machine, domain) };
  return newFile({ format: "raw", sizeBytes: 2 ** 20, text: domain.live, memory });
}

/**
 * Resumed on disks of another instant it would write its page cache over them: no test may come to a memory that is
 * "torn".
 */
export function restoreMemory(machine: FakeMachine, action: Extract<Action, { do: "restore-memory" }>): void {
  const domain = domainAt(machine, action.domain);
  if (domain.live !== null) throw new EstratoError("conflict", `${action.domain}: the domain is running`);
  const { memory } = fileAt(machine, action.memory);
  if (memory === null) throw new EstratoError("failed", `virsh restore: ${action.memory}: no saved memory`);
  const defined = domain.inactive;
  domain.inactive = action.xml;
  try {
    start(machine, action.domain, action.paused);
  } finally {
    domain.inactive = defined;
  }
  const fits = JSON.stringify(contentsOf(machine, domain)) === JSON.stringify(memory.disks);
  domain.ram = fits ? memory.ram : "torn";
  domain.reason = action.paused ? "migrating" : "restored";
}

function contentsOf(machine: FakeMachine, domain: FakeDomain): Record<string, string> {
  const disks = domain.open.filter(({ readonly }) => !readonly).sort((a, b) => a.device.localeCompare(b.device));
  const content = (chain: readonly string[]) => [...readChain(machine, chain)].sort(([a], [b]) => a - b);
  return Object.fromEntries(disks.map(({ device, chain }) => [device, JSON.stringify(content(chain))]));
}
