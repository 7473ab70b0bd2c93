/** Disks of simulated running guests: switches, and disks that come and go. */

import type { Action } from "../../src/core/model/action.ts";
import { EstratoError } from "../../src/errors.ts";
import { editDefinition } from "../../src/host/domain-edit.ts";
import { parseDefinition } from "../../src/host/domain-xml.ts";
import { domainAt, giveToQemu, noteHead, requireRunning } from "./host-domains.ts";
import { fileAt, holders, type Reach, requireWritable } from "./host-images.ts";
import type { FakeDomain, FakeMachine, FakeOpenDisk } from "./host-machine.ts";
import { savedMemory } from "./host-memory.ts";
import { filesOf, requireOpened } from "./host-secrets.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

/** Half: QEMU has switched, libvirt has noted nothing (LIBVIRT.md, trap 12). */
export function switchDisks(machine: FakeMachine, action: Of<"switch-disks">, reach: Reach): void {
  const domain = requireRunning(machine, action.domain);
  if (action.quiesce && !domain.agent) {
    throw new EstratoError("failed", "virsh snapshot-create-as: Guest agent is not responding");
  }
  const named = new Set([...action.disks.map(({ device }) => device), ...action.excluded]);
  const left = domain.open.find((disk) => !disk.readonly && !named.has(disk.device));
  if (left) {
    throw new EstratoError("failed", `virsh snapshot-create-as: disk ${left.device} is named neither way`);
  }
  const heads = action.disks.map(({ device, path, secret }) => {
    const disk = openDisk(domain, device);
    const head = fileAt(machine, path);
    requireOpened(machine, [path], secret);
    const { writers, readers } = holders(machine, path);
    if (writers + readers > 0) throw new EstratoError("failed", `virsh snapshot-create-as: ${path} is in use`);
    if ((head.mode & 0o200) === 0)
      throw new EstratoError("failed", `virsh: Could not open '${path}': Permission denied`);
    if (head.backing?.path !== disk.chain[0]) {
      throw new Error(`fake host: the head ${path} does not stand on ${disk.chain[0]}, which QEMU writes to`);
    }
    return { disk, path };
  });
  if (action.memory !== undefined) {
    if (machine.files.has(action.memory)) {
      throw new EstratoError("conflict", `${action.memory}: there is a file of that name`);
    }
    machine.files.set(action.memory, savedMemory(machine, domain));
    domain.asleep = domain.state === "paused";
  }
  for (const { disk, path } of heads) {
    disk.chain.unshift(path);
    giveToQemu(machine, [path]);
  }
  if (reach === "half") {
    domain.frozen = action.quiesce;
    return;
  }
  for (const { disk } of heads) noteHead(domain, disk.device, disk.chain, "qcow2");
}

/** Half: in the definition only, which comes first. */
export function attach(machine: FakeMachine, { domain: name, disk }: Of<"attach-disk">, reach: Reach): void {
  const domain = domainAt(machine, name);
  for (const scope of ["inactive", "live"] as const) {
    const xml = domain[scope];
    if (xml === null) continue;
    const there = parseDefinition(xml).disks.find(({ device }) => device === disk.device);
    if (there?.source === disk.path) continue;
    if (there) throw new EstratoError("conflict", `${disk.device}: the domain has another disk of that name`);
    if (scope === "live") {
      const { secret, backing } = parseDefinition(editDefinition(xml, { addDisks: [disk] })).disks.find(
        ({ device }) => device === disk.device,
      ) ?? { secret: null, backing: null };
      const chain = filesOf(machine, { source: disk.path, format: disk.format, secret, backing });
      if (!disk.readonly) requireWritable(machine, disk.path);
      domain.open.push({ device: disk.device, chain, readonly: disk.readonly });
      giveToQemu(machine, chain);
    }
    domain[scope] = editDefinition(xml, { addDisks: [disk] });
    if (reach === "half") return;
  }
}

/**
 * A guest that does not hear the button does not let go of a disk either. Half: out of the guest only, which comes
 * first.
 */
export function detach(
  machine: FakeMachine,
  { domain: name, device, timeoutMs }: Of<"detach-disk">,
  reach: Reach,
): void {
  const domain = domainAt(machine, name);
  for (const scope of ["live", "inactive"] as const) {
    const xml = domain[scope];
    if (xml === null || !parseDefinition(xml).disks.some((disk) => disk.device === device)) continue;
    if (scope === "live" && !domain.obedient) {
      throw new EstratoError("timeout", `${name}: the guest did not let go of ${device} within ${timeoutMs} ms`);
    }
    if (scope === "live") domain.open = domain.open.filter((disk) => disk.device !== device);
    domain[scope] = editDefinition(xml, { disks: { [device]: null } });
    if (reach === "half") return;
  }
}

export function openDisk(domain: FakeDomain, device: string): FakeOpenDisk {
  const disk = domain.open.find((each) => each.device === device);
  if (!disk) throw new EstratoError("failed", `virsh: disk ${device} not found`);
  return disk;
}
