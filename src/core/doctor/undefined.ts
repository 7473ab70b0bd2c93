/**
 * An instance that libvirt no longer has (virsh undefine), or only as long as it runs: it is defined again from the
 * newest definition that is kept of it, with the heads that its volumes have today.
 */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { diskFileOf } from "../graph/files.ts";
import { chainOrNull } from "../graph/references.ts";
import { filesInUse } from "../in-use.ts";
import { recordedDefinition, requireDefinition } from "../instances/definition-file.ts";
import { type KeptDefinition, keptDefinition, keptName } from "../instances/kept-definition.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { Action } from "../model/action.ts";
import type { DiskFile, DomainDefinition, DomainStatus, NewDisk } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { chainsInFolder } from "../named-files.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { snapshotsOf } from "../snapshots/names.ts";
import { headFacts, requireAgreement } from "../truth.ts";
import { diskOf } from "../volumes/attach.ts";
import { wasThereBefore } from "../volumes/attachment.ts";
import { volumeLabel } from "../volumes/find.ts";
import { type Finding, unmendable } from "./finding.ts";
import { neverDefined } from "./half-made.ts";

/** What is to be defined, and how old the definition may be. */
interface Again {
  readonly xml: string;
  readonly autostart: boolean;
  readonly loses: readonly string[];
}

/** `status`: of a guest that runs on without a definition; null where libvirt has nothing of it. */
export async function undefinedInstance(
  world: World,
  state: State,
  instance: Instance,
  status: DomainStatus | null,
): Promise<Finding> {
  const subject = `instance ${instance.name}`;
  const problem =
    status === null
      ? `libvirt has no domain ${instance.id}`
      : "libvirt has no definition of it, and forgets it when it stops";
  try {
    const { loses } = await planAgain(world, state, instance, status);
    return {
      subject,
      problem,
      remedy: `Define it again, with the disks that it has today. (Or forget it: estrato instance delete ${instance.name}.)`,
      mending: { locks: [instance.id], loses, mend: (w, locks) => defineAgain(w, locks, instance.id) },
    };
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    const halfMade = status === null ? await neverDefined(world, state, instance) : null;
    if (halfMade !== null) return halfMade;
    const why = error.message.replace(`${subject}: `, "");
    return unmendable(subject, `${problem}, and cannot be given it again: ${why}`, error.hint ?? "");
  }
}

async function defineAgain(world: World, locks: HeldLocks, uuid: string): Promise<void> {
  const state = await world.store.read();
  const instance = state.instances[uuid];
  const before = await world.host.domainStatus(uuid);
  if (instance === undefined || instance.shelved !== null || before?.persistent) return;
  const { xml, autostart } = await planAgain(world, state, instance, before);
  const actions: Action[] = [{ do: "define", xml }];
  if (autostart) actions.push({ do: "autostart", domain: uuid, on: true });
  await perform(world, locks, actions);
  const status = await world.host.domainStatus(uuid);
  if (status !== null) await requireAgreement(world, state, status);
}

/** Throws, with what to do, where it cannot be defined without harm. Reads only. */
async function planAgain(world: World, state: State, instance: Instance, status: DomainStatus | null): Promise<Again> {
  await requireOneName(world, instance);
  await requireOwnDisks(world, state, instance, status === null);
  if (status !== null) await requireOwnHeads(world, state, status);
  const { kept, loses } = await newest(world, state, instance, status);
  const definition = world.host.parseDefinition(kept.xml);
  const xml = world.host.editDefinition(kept.xml, {
    ...(definition.name === instance.name ? {} : { name: status?.name ?? instance.name }),
    ...(await editedDisks(world, state, instance, definition)),
    dropBackingStore: true,
  });
  const { nvram } = definition;
  const isLost = nvram !== null && (await world.host.fileInfo(nvram)) === null;
  const noNvram = isLost ? [`what its firmware kept: ${nvram} is not there, and begins anew`] : [];
  return { xml, autostart: kept.autostart, loses: [...loses, ...noNvram] };
}

/** Its name is nobody else's by now, nor its UUID a QEMU's that libvirt has lost. */
async function requireOneName(world: World, { id, name }: Instance): Promise<void> {
  const refuse = (why: string, hint: string) => new EstratoError("conflict", `instance ${name}: ${why}`, { hint });
  for (const other of (await world.host.domainStatuses()).values()) {
    if (other.uuid !== id && other.name === name)
      throw refuse(
        `the name ${name} is another domain's now (${other.uuid})`,
        `Rename that one (virsh domrename), or forget this one: estrato instance delete ${id}.`,
      );
  }
  const stray = (await world.host.strayProcesses([id])).get(id);
  if (stray !== undefined)
    throw refuse(`its QEMU runs (process ${stray})`, 'See "man estrato-recovery", A GUEST THAT LIBVIRT HAS LOST.');
}

/** What the guest writes to now is what is recorded, or it would start from something older next time. */
async function requireOwnHeads(world: World, state: State, status: DomainStatus): Promise<void> {
  for (const { device, qemu, recorded } of await headFacts(world, state, status)) {
    if (qemu === recorded) continue;
    throw new EstratoError(
      "integrity",
      `instance ${status.name}: ${device}: QEMU writes to ${qemu ?? "nothing"}, recorded is ${recorded}`,
      { hint: `Define it with what it runs on: virsh dumpxml ${status.name} > F; virsh define F. Then run doctor.` },
    );
  }
}

/**
 * Each head is nobody else's, whatever it is called there, and of a guest that is `off` it is there, and nothing lies
 * on it that the guest may have written to (another tool's overlay). What cannot be read may be anything (DESIGN.md,
 * invariant 14).
 */
async function requireOwnDisks(world: World, state: State, { id, name }: Instance, off: boolean): Promise<void> {
  const inUse = await filesInUse(world, state);
  const known = new Set(Object.values(state.layers).map(({ file }) => file));
  for (const [device, { head }] of volumesOf(state, id)) {
    const file = state.layers[head]?.file ?? "";
    const found = await world.host.fileInfo(file);
    if (off && found === null)
      throw new EstratoError("integrity", `instance ${name}: the file of ${device} is missing: ${file}`, {
        hint: "Put the file back first.",
      });
    const users = await inUse.outsiders(file);
    const other = users.find((one) => (one.by === "domain" && one.id !== id) || one.by === "store");
    if (other !== undefined)
      throw new EstratoError("conflict", `instance ${name}: its disk ${device} is also, or may be, ${other.name}`, {
        hint: "Take it out there first (virsh detach-disk), or mend what cannot be read there.",
      });
    if (!off) continue;
    const overlay = users[0]?.name ?? (await overlayBeside(world, file, found?.identity ?? "", known));
    if (overlay === null) continue;
    throw new EstratoError("integrity", `instance ${name}: ${overlay} lies on its disk ${device}, and may be newer`, {
      hint: "Define it with the one that it last ran on (virsh define), and run doctor; or move that file away.",
    });
  }
}

/** Beside a disk that lies elsewhere: the first image that stands on it, or cannot be read. */
async function overlayBeside(
  world: World,
  file: string,
  identity: string,
  known: ReadonlySet<string>,
): Promise<string | null> {
  const folder = dirname(file);
  if (folder === world.store.paths.layersFolder || folder.startsWith("/dev")) return null;
  const chains = await chainsInFolder(world, folder, known);
  const on = chains.find(({ files }) => files?.some((one) => one.path === file || one.identity === identity) ?? true);
  return on === undefined ? null : `${on.top}${on.files === null ? ", which cannot be read," : ""}`;
}

/** Kept of itself, else what it runs with, else kept with its newest snapshot. */
async function newest(
  world: World,
  state: State,
  instance: Instance,
  status: DomainStatus | null,
): Promise<{ readonly kept: KeptDefinition; readonly loses: readonly string[] }> {
  const kept = await keptDefinition(world, instance.id);
  const since = "what others than estrato have changed of its definition since estrato last worked on it";
  if (kept !== null) {
    requireDefinition(world, kept.xml, world.store.paths.record(keptName(instance.id)));
    return { kept, loses: [since] };
  }
  const autostart = false;
  const noAutostart = "that it starts with the host, if it did";
  if (status !== null) return { kept: { xml: status.inactive.xml, autostart }, loses: [noAutostart] };
  const records = new Set(await world.store.listRecords());
  const snapshot = snapshotsOf(state, instance.id)
    .filter(({ definition }) => definition !== null && records.has(definition))
    .at(-1);
  if (snapshot?.definition != null) {
    const xml = await recordedDefinition(world, snapshot.definition);
    return {
      kept: { xml, autostart },
      loses: [`what has changed of its definition since ${snapshot.createdAt}`, noAutostart],
    };
  }
  throw new EstratoError("integrity", `instance ${instance.name}: no definition of it is kept`, {
    hint: `Define it by hand (virsh define) with its UUID, or forget it: estrato instance delete ${instance.name}.`,
  });
}

/** Each volume on its head of today, and no file that was one of ours once. */
async function editedDisks(world: World, state: State, instance: Instance, { disks }: DomainDefinition) {
  const volumes = volumesOf(state, instance.id);
  const files = new Set(Object.values(state.layers).map(({ file }) => file));
  const edited: Record<string, DiskFile | null> = {};
  for (const { device, source } of disks) {
    const volume = volumes.get(device);
    const wasOurs =
      source !== null &&
      (source.startsWith("/vol-") || files.has(source) || dirname(source) === world.store.paths.layersFolder);
    if (volume === undefined) {
      if (wasOurs) edited[device] = null;
      continue;
    }
    const head = state.layers[volume.head];
    if (head === undefined)
      throw new EstratoError("integrity", `instance ${instance.name}: the head of ${device} is not recorded`);
    if (!wasOurs && source !== null && (await world.host.fileInfo(source)) !== null)
      throw new EstratoError(
        "integrity",
        `instance ${instance.name}: ${device}: its definition named ${source}, recorded is ${head.file}`,
        { hint: "Define it with the one that it last ran on (virsh define), and run doctor." },
      );
    if (source?.startsWith("/vol-") && source !== `/${volume.id}`) edited[device] = null;
    else edited[device] = diskFileOf(state, head);
  }
  const addDisks: NewDisk[] = [];
  for (const [device, volume] of volumes) {
    if (edited[device] != null) continue;
    if (chainOrNull(state, volume.head) === null || wasThereBefore(state, volume))
      throw new EstratoError(
        "integrity",
        `instance ${instance.name}: nothing that is kept says how ${volumeLabel(state, volume)} was its disk ${device}`,
        { hint: "Define it by hand (virsh define), and run doctor." },
      );
    addDisks.push(diskOf(state, volume, device));
  }
  return { disks: edited, addDisks };
}
