/** What each action does to the simulated machine. `reach` "half": the process is killed in the middle of it. */
import { dirname, resolve } from "node:path";
import { EstratoError } from "../../src/errors.ts";
import { editDefinition } from "../../src/host/domain-edit.ts";
import { parseDefinition } from "../../src/host/domain-xml.ts";
import type { Action } from "../../src/host/types.ts";
import {
  define,
  destroy,
  domainAt,
  findDomain,
  giveToQemu,
  noteHead,
  requireRunning,
  start,
  undefine,
} from "./host-domains.ts";
import {
  chainAt,
  commitInto,
  fileAt,
  holders,
  newFile,
  type Reach,
  readChain,
  rebaseOnto,
  requireReadable,
  requireUnfrozen,
  requireWritable,
} from "./host-images.ts";
import type { FakeDomain, FakeMachine, FakeOpenDisk } from "./host-machine.ts";

type Of<Do extends Action["do"]> = Extract<Action, { do: Do }>;

type Effects = { readonly [Do in Action["do"]]: (machine: FakeMachine, action: Of<Do>, reach: Reach) => void };

export function carryOut(machine: FakeMachine, action: Action, reach: Reach): void {
  const effect = EFFECTS[action.do] as (machine: FakeMachine, action: Action, reach: Reach) => void;
  effect(machine, action, reach);
}

const EFFECTS: Effects = {
  "create-disk": createDisk,
  "switch-disks": switchDisks,
  thaw(machine, action) {
    const domain = findDomain(machine, action.domain);
    if (domain?.agent) domain.frozen = false;
  },
  define: (machine, action) => define(machine, action.xml),
  redefine(machine, action) {
    const domain = domainAt(machine, action.domain);
    const disks = Object.fromEntries(action.disks.map(({ device, path, format }) => [device, { path, format }]));
    domain.inactive = editDefinition(domain.inactive, { disks, dropBackingStore: true });
  },
  undefine: (machine, action) => undefine(machine, action.domain),
  start: (machine, action) => start(machine, action.domain, action.paused),
  destroy: (machine, action) => destroy(machine, action.domain, "destroyed"),
  shutdown,
  reboot: (machine, action) => void requireRunning(machine, action.domain),
  suspend(machine, action) {
    requireRunning(machine, action.domain).state = "paused";
  },
  resume(machine, action) {
    requireRunning(machine, action.domain).state = "running";
  },
  autostart(machine, action) {
    domainAt(machine, action.domain).autostart = action.on;
  },
  rename(machine, action) {
    const domain = domainAt(machine, action.domain);
    if (domain.live !== null) throw new EstratoError("failed", "virsh domrename: cannot rename active domain");
    define(machine, editDefinition(domain.inactive, { name: action.name }));
  },
  commit(machine, action, reach) {
    if (fileAt(machine, action.top).backing?.path !== action.base) {
      throw new EstratoError("integrity", `${action.top}: it does not stand on ${action.base}`);
    }
    requireReadable(machine, action.top);
    requireWritable(machine, action.base);
    commitInto(machine, [action.top], action.base, reach);
  },
  rebase(machine, action, reach) {
    requireWritable(machine, action.file);
    rebaseOnto(machine, action.file, action.backing, reach);
  },
  relink(machine, action, reach) {
    requireWritable(machine, action.file);
    if (reach === "whole") fileAt(machine, action.file).backing = { ...action.backing };
  },
  "block-pull": blockJob,
  "block-commit": blockJob,
  "block-commit-active": blockJob,
  "settle-job": settleJob,
  "restore-memory"(machine, action) {
    if (domainAt(machine, action.domain).live !== null) {
      throw new EstratoError("conflict", `${action.domain}: the domain is running`);
    }
    fileAt(machine, action.memory);
    const domain = domainAt(machine, action.domain);
    const defined = domain.inactive;
    domain.inactive = action.xml;
    try {
      start(machine, action.domain, action.paused);
    } finally {
      domain.inactive = defined;
    }
    domain.reason = "restored";
  },
  "attach-disk": attach,
  "detach-disk": detach,
  "block-resize"(machine, action) {
    const head = fileAt(machine, openDisk(requireRunning(machine, action.domain), action.device).chain[0] ?? "");
    if (head.sizeBytes > action.sizeBytes) {
      throw new EstratoError("failed", `${action.device}: a disk cannot become smaller`);
    }
    head.sizeBytes = action.sizeBytes;
  },
  "set-mode"(machine, action) {
    fileAt(machine, action.path).mode = action.mode;
  },
  "set-owner"(machine, action) {
    Object.assign(fileAt(machine, action.path), { uid: action.uid, gid: action.gid });
  },
  unlink: (machine, action) => unlink(machine, action.path),
  "copy-file"(machine, action) {
    const from = fileAt(machine, action.from);
    machine.files.set(action.to, { ...from, clusters: new Map(from.clusters), mode: action.mode });
  },
  convert,
  "move-file"(machine, action) {
    const file = fileAt(machine, action.from);
    if (!action.replace && machine.files.has(action.to)) {
      throw new EstratoError("conflict", `${action.to}: there is a file of that name`);
    }
    machine.files.delete(action.from);
    machine.files.set(action.to, file);
  },
  "resize-disk": resize,
  "reserve-address": reserve,
  "release-address"(machine, action) {
    const network = machine.networks.get(action.network);
    if (!network) return;
    network.reservations = network.reservations.filter(
      ({ mac, ip }) => mac !== action.mac.toLowerCase() || ip !== action.ip,
    );
  },
  "create-seed"(machine, action) {
    const text = JSON.stringify([action.metaData, action.userData, action.networkConfig]);
    machine.files.set(action.path, newFile({ format: "raw", sizeBytes: 358400, text }));
  },
};

function shutdown(machine: FakeMachine, action: Of<"shutdown">): void {
  const domain = domainAt(machine, action.domain);
  if (domain.live === null) return;
  const obeys = domain.obedient && domain.state === "running";
  if (!obeys && !action.thenDestroy) {
    throw new EstratoError("timeout", `${action.domain}: the guest did not power off within ${action.timeoutMs} ms`);
  }
  destroy(machine, action.domain, obeys ? "shutdown" : "destroyed");
}

function createDisk(machine: FakeMachine, action: Of<"create-disk">): void {
  const backing = action.backing && {
    path: resolve(dirname(action.path), action.backing.path),
    format: action.backing.format,
  };
  if (backing) chainAt(machine, backing.path);
  const there = machine.files.get(action.path);
  if (!there) {
    machine.files.set(action.path, newFile({ sizeBytes: action.sizeBytes, backing }));
    return;
  }
  requireReadable(machine, action.path);
  const same =
    there.sizeBytes === action.sizeBytes &&
    there.backing?.path === backing?.path &&
    there.backing?.format === backing?.format &&
    there.clusters.size === 0;
  if (!same) throw new EstratoError("conflict", `${action.path}: there is another file of that name`);
  there.mode = 0o600;
}

/** Half: QEMU has switched, libvirt has noted nothing (LIBVIRT.md, trap 12). */
function switchDisks(machine: FakeMachine, action: Of<"switch-disks">, reach: Reach): void {
  const domain = requireRunning(machine, action.domain);
  if (action.quiesce && !domain.agent) {
    throw new EstratoError("failed", "virsh snapshot-create-as: Guest agent is not responding");
  }
  const named = new Set([...action.disks.map(({ device }) => device), ...action.excluded]);
  const left = domain.open.find((disk) => !disk.readonly && !named.has(disk.device));
  if (left) {
    throw new EstratoError("failed", `virsh snapshot-create-as: disk ${left.device} is named neither way`);
  }
  const heads = action.disks.map(({ device, path }) => {
    const disk = openDisk(domain, device);
    const head = fileAt(machine, path);
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
    machine.files.set(action.memory, newFile({ format: "raw", sizeBytes: 2 ** 20, text: domain.live }));
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

function attach(machine: FakeMachine, { domain: name, disk }: Of<"attach-disk">): void {
  const domain = domainAt(machine, name);
  for (const scope of ["inactive", "live"] as const) {
    const xml = domain[scope];
    if (xml === null) continue;
    const there = parseDefinition(xml).disks.find(({ device }) => device === disk.device);
    if (there?.source === disk.path) continue;
    if (there) throw new EstratoError("conflict", `${disk.device}: the domain has another disk of that name`);
    if (scope === "live") {
      const chain = disk.format === "raw" ? [disk.path] : chainAt(machine, disk.path);
      if (!disk.readonly) requireWritable(machine, disk.path);
      domain.open.push({ device: disk.device, chain, readonly: disk.readonly });
      giveToQemu(machine, chain);
    }
    domain[scope] = editDefinition(xml, { addDisks: [disk] });
  }
}

/** A guest that does not hear the button does not let go of a disk either. */
function detach(machine: FakeMachine, { domain: name, device, timeoutMs }: Of<"detach-disk">): void {
  const domain = domainAt(machine, name);
  for (const scope of ["live", "inactive"] as const) {
    const xml = domain[scope];
    if (xml === null || !parseDefinition(xml).disks.some((disk) => disk.device === device)) continue;
    if (scope === "live" && !domain.obedient) {
      throw new EstratoError("timeout", `${name}: the guest did not let go of ${device} within ${timeoutMs} ms`);
    }
    if (scope === "live") domain.open = domain.open.filter((disk) => disk.device !== device);
    domain[scope] = editDefinition(xml, { disks: { [device]: null } });
  }
}

function openDisk(domain: FakeDomain, device: string): FakeOpenDisk {
  const disk = domain.open.find((each) => each.device === device);
  if (!disk) throw new EstratoError("failed", `virsh: disk ${device} not found`);
  return disk;
}

type BlockAction = Of<"block-pull" | "block-commit" | "block-commit-active">;

/** Half: the job is under way without us. libvirt ends a pull or a commit by itself; an active commit waits for a pivot. */
function blockJob(machine: FakeMachine, action: BlockAction, reach: Reach): void {
  const domain = requireRunning(machine, action.domain);
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

function settleJob(machine: FakeMachine, action: Of<"settle-job">): void {
  const domain = findDomain(machine, action.domain);
  const job = domain?.jobs.find((each) => each.device === action.device);
  if (!domain || !job) return;
  domain.jobs = domain.jobs.filter((each) => each !== job);
  if (!action.abort) job.finish();
}

/** A guest whose file is unlinked writes into nothing: no test may come to that. */
function unlink(machine: FakeMachine, path: string): void {
  const { writers, readers } = holders(machine, path);
  if (writers + readers > 0) throw new Error(`fake host: ${path} is unlinked while a running guest has it open`);
  machine.files.delete(path);
}

/** Half: a piece under another name is left behind. */
function convert(machine: FakeMachine, action: Of<"convert">, reach: Reach): void {
  const chain = action.fromFormat === "raw" ? [action.from] : chainAt(machine, action.from);
  requireReadable(machine, action.from);
  const clusters = readChain(machine, chain);
  const { sizeBytes, text } = fileAt(machine, action.from);
  const file = newFile({ format: action.toFormat, sizeBytes, clusters: new Map(clusters), text, mode: action.mode });
  if (reach === "half") {
    machine.files.set(`${action.to}.part`, { ...file, clusters: new Map([...clusters].slice(0, 1)) });
    return;
  }
  machine.files.delete(`${action.to}.part`);
  machine.files.set(action.to, file);
}

function resize(machine: FakeMachine, action: Of<"resize-disk">): void {
  requireWritable(machine, action.path);
  const file = fileAt(machine, action.path);
  if (file.sizeBytes > action.sizeBytes) {
    throw new EstratoError("failed", `${action.path}: a disk cannot become smaller`);
  }
  file.sizeBytes = action.sizeBytes;
}

function reserve(machine: FakeMachine, action: Of<"reserve-address">): void {
  const network = machine.networks.get(action.network);
  if (!network) throw new EstratoError("not_found", `${action.network}: no such network`);
  const mac = action.mac.toLowerCase();
  const same = network.reservations.find((each) => each.mac === mac && each.ip === action.ip);
  if (same) return;
  const other = network.reservations.find((each) => each.mac === mac || each.ip === action.ip);
  if (other) {
    throw new EstratoError("conflict", `${action.ip}: the network ${action.network} has it reserved for ${other.mac}`);
  }
  network.reservations.push({ mac, ip: action.ip, name: action.name });
}
