/** The steps of a snapshot, in the order in which each crash has an answer (DESIGN.md, section 5). */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { filesUnder, hasFile } from "../files-under.ts";
import { type Firmware, saveFirmware } from "../firmware.ts";
import { secretOf } from "../graph/files.ts";
import type { Action } from "../model/action.ts";
import type { DomainDisk, DomainStatus, QemuDisk } from "../model/host.ts";
import type { Snapshot, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";
import { qemuDisksOf } from "../truth.ts";
import {
  adoptHeads,
  createHead,
  definedDisks,
  definitionByVolume,
  freezeBelow,
  type HeadChange,
  headChangeSchema,
} from "./heads.ts";
import { freezeMemory, keepLiveDefinition } from "./memory-file.ts";

/** What the journal remembers. */
export interface CreateData {
  /** Of the instance. A volume that is attached to nothing has its own id here: no domain is called so. */
  readonly uuid: string;
  readonly snapshot: Snapshot;
  readonly heads: readonly HeadChange[];
  readonly excluded: readonly string[];
}

export const createDataSchema: v.GenericSchema<unknown, CreateData> = v.object({
  uuid: v.string(),
  snapshot: recordSchemas.snapshot,
  heads: v.array(headChangeSchema),
  excluded: v.array(v.string()),
});

/**
 * Of a snapshot of an instance, or of one volume of it, as it is in `state`. `firmware`: the files to copy. `quiesce`:
 * inside the switch; `required`: or fail.
 */
export function createSnapshotSteps(
  world: World,
  locks: HeldLocks,
  { state, status, firmware }: { readonly state: State; readonly status: DomainStatus; readonly firmware: Firmware },
  data: CreateData,
  quiesce: boolean,
  required: boolean,
): Step[] {
  const { snapshot, heads, uuid } = data;
  const steps: Step[] = [];
  if (snapshot.definition !== null) {
    steps.push({
      id: "keep-definition",
      title: "Keep the definition",
      run: () => world.store.writeRecord(`${snapshot.id}.xml`, definitionByVolume(world, status.inactive.xml, heads)),
    });
  }
  steps.push({ id: "make-new-heads", title: "Make new heads", actions: heads.map(createHead) });
  steps.push(...saveFirmware(world, firmware, snapshot));
  // Before the switch: where libvirtd dies in it and the guest stops, nobody can start it on what it had before
  // (LIBVIRT.md, trap 12). QEMU goes on writing what it has open, and lets go of it in the switch (measured on both
  // generations). Where saving memory fails at its very end QEMU cannot open the frozen file again, and the guest
  // stands still until recovery has thawed it: nothing is lost.
  steps.push({
    id: "freeze-layers",
    title: "Freeze the layers",
    actions: freezeBelow(state, heads),
  });
  let reached = false;
  let compared: string | null = null;
  if (status.live !== null) {
    const trying = quiesce && !required;
    const action = switchDisks(world, uuid, data, quiesce);
    const tryIt = async () => {
      reached = await switchQuiescedOrNot(world, locks, uuid, data);
    };
    const title = snapshot.memory === null ? "Switch the disks" : "Save the memory and switch the disks";
    steps.push({ id: "switch-disks", title, ...(trying ? { shown: [action], run: tryIt } : { actions: [action] }) });
    if (required) reached = quiesce;
    steps.push({
      id: "compare",
      title: "Compare QEMU, libvirt and the plan",
      run: async () => {
        compared = await requireSwitched(world, data);
      },
    });
  }
  if (snapshot.memory !== null) {
    steps.push({
      id: "freeze-memory",
      title: "Freeze the memory",
      actions: freezeMemory(world, snapshot),
      run: () => keepLiveDefinition(world, snapshot, heads),
    });
  }
  const redefinition = { do: "redefine", domain: uuid, disks: definedDisks(heads, "after") } as const;
  steps.push(
    {
      id: "define-new-heads",
      title: "Define the new heads",
      shown: [redefinition],
      run: () => perform(world, locks, [compared === null ? redefinition : { ...redefinition, xml: compared }]),
    },
    {
      id: "record-snapshot",
      title: "Record the snapshot",
      run: () => record(world, data, reached ? "filesystem" : snapshot.consistency),
    },
  );
  return steps;
}

function switchDisks(world: World, uuid: string, data: CreateData, quiesce: boolean): Action {
  return {
    do: "switch-disks",
    domain: uuid,
    disks: data.heads.map(({ device, after }) => ({ device, path: after.file, ...secretOf(after) })),
    excluded: data.excluded,
    quiesce,
    ...(data.snapshot.memory === null ? {} : { memory: world.store.paths.memory(data.snapshot.memory.file) }),
  };
}

/** With `--quiesce try`, a guest that cannot be frozen gets a crash-consistent snapshot. True where it was frozen. */
async function switchQuiescedOrNot(world: World, locks: HeldLocks, uuid: string, data: CreateData): Promise<boolean> {
  try {
    await perform(world, locks, [switchDisks(world, uuid, data, true)]);
    return true;
  } catch (error) {
    await perform(world, locks, [{ do: "thaw", domain: uuid }]);
    if ((await switched(world, data)) === "yes") return true;
    world.report.note(`${data.snapshot.name}: the file systems could not be quiesced (${wordsOf(error)})`);
    await perform(world, locks, [switchDisks(world, uuid, data, false)]);
    return false;
  }
}

/**
 * Does QEMU use the new heads, by themselves or below what another tool has put on them since? It switches all disks in
 * one transaction, so "some" is a disagreement. A disk that the guest has no longer tells nothing: "off", where all are
 * such.
 */
export async function switched(world: World, data: CreateData): Promise<"yes" | "no" | "some" | "off"> {
  const status = await world.host.domainStatus(data.uuid, "qemu");
  if (status === null || status.live === null) return "off";
  const files = await filesUnder(world, status);
  const isOn: boolean[] = [];
  for (const { before, after } of data.heads) {
    const isNew = files.has(after.file);
    if (isNew || (await hasFile(world, files, before.file))) isOn.push(isNew);
  }
  if (isOn.length === 0) return "off";
  if (isOn.every(Boolean)) return "yes";
  return isOn.some(Boolean) ? "some" : "no";
}

/** Returns the definition that was compared; null where it stopped meanwhile: the next step defines the new heads. */
async function requireSwitched(world: World, data: CreateData): Promise<string | null> {
  const status = await world.host.domainStatus(data.uuid, "qemu");
  if (status?.live == null) return null;
  const disks = await qemuDisksOf(world, status);
  for (const head of data.heads) {
    const disk = disks.find((one) => one.device === head.device);
    const live = status.live.disks.find((one) => one.device === head.device);
    const why = await otherThanPlanned(world, head, disk, live);
    if (why === null) continue;
    throw new EstratoError("integrity", `instance ${status.name}: ${head.device} ${why}`, {
      hint: 'Run "estrato doctor".',
    });
  }
  return status.inactive.xml;
}

/** What chain, size, encryption and mode are that were planned otherwise (DESIGN.md, invariant 6); null: nothing. */
async function otherThanPlanned(
  world: World,
  { before, after }: HeadChange,
  disk: QemuDisk | undefined,
  live: DomainDisk | undefined,
): Promise<string | null> {
  const isOnOld = await isSameFile(world, disk?.chain[1] ?? "", before.file);
  if (disk?.chain[0] !== after.file || !isOnOld || live?.source !== after.file)
    return `was switched to ${disk?.chain[0] ?? "nothing"}, planned was ${after.file}`;
  if (disk.sizeBytes < after.sizeBytes)
    return `has ${disk.sizeBytes} bytes after the switch, planned were ${after.sizeBytes}`;
  if (live.secret !== after.secret)
    return `has ${live.secret ?? "no secret"} after the switch, planned was ${after.secret ?? "none"}`;
  if (before.foreign !== null) return null; // not every foreign file's mode is ours
  const old = await world.host.fileInfo(before.file);
  return old === null || (old.mode & WRITABLE) === 0 ? null : `stands on ${before.file}, which can be written`;
}

const WRITABLE = 0o222;

/** Idempotent: the graph and the snapshot in one transaction. */
export async function record(world: World, data: CreateData, consistency: Snapshot["consistency"]): Promise<void> {
  const memory = await measuredMemory(world, data.snapshot);
  await world.store.update((draft) => {
    adoptHeads(draft, data.heads);
    draft.snapshots[data.snapshot.id] = { ...data.snapshot, memory, consistency };
    const instance = draft.instances[data.snapshot.instance ?? ""];
    if (instance !== undefined) instance.current = data.snapshot.id;
  });
}

/** How large the memory became is known only now. */
async function measuredMemory(world: World, { memory }: Snapshot): Promise<Snapshot["memory"]> {
  if (memory === null) return null;
  const file = await world.host.fileInfo(world.store.paths.memory(memory.file));
  return { ...memory, sizeBytes: file?.sizeBytes ?? memory.sizeBytes };
}
