/**
 * `instance create`: new heads on the layers of an image or a snapshot (or a volume as it is), an address of its own, a
 * seed, a domain. Moves no data.
 */
import { EstratoError } from "../../errors.ts";
import { diskFileOf } from "../graph/files.ts";
import { awaitUnmerged, createFiles, markUses, storeVolumes } from "../layers/heads.ts";
import type { Action } from "../model/action.ts";
import type { Instance, State } from "../model/state.ts";
import { WRITABLE } from "../modes.ts";
import { requireName } from "../names.ts";
import { requireNetwork } from "../networks.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { borrowedChoice, borrowImage, imageToCopy, withBorrowed } from "../sharing/borrow.ts";
import type { FoundImage } from "../sharing/find.ts";
import { lockAddresses, planAddressing } from "./addressing.ts";
import { agentNote } from "./agent.ts";
import { recordAttached, wantedVolumes } from "./attached.ts";
import { createInstanceKind } from "./create-recovery.ts";
import { type InheritedDefinition, inheritedDefinition } from "./definition.ts";
import { requireNowhere } from "./identity.ts";
import { nameLock, recordOfName, requireFreeName, requireStartableName } from "./names.ts";
import { isUser, networksFor } from "./network-choice.ts";
import { type CreateInstanceOptions, type CreatePlan, planCreate } from "./plan.ts";
import { createSeed, SEED_DEVICE } from "./seed.ts";
import { chooseShape } from "./shape.ts";
import { findSource, type InstanceSource, sourceExists } from "./source.ts";
import { tellLeftOut } from "./trusted-definition.ts";

export type { CreateInstanceOptions } from "./plan.ts";

/**
 * Creates one instance. Afterwards its records are stored, its domain is defined and, with `start`, runs; where this
 * throws, nothing of it is left behind. Throws "usage", "not_found", "conflict" (a name or an address that is taken),
 * "host". A dry run returns the plan and changes nothing.
 */
export async function createInstance(world: World, options: CreateInstanceOptions): Promise<Instance | PlanView> {
  const { name, as } = options;
  requireName("instance", name);
  await requireStartableName(world, name);
  const copied = await sourceToCopy(world, options);
  if (copied !== null) {
    const { withCopyOf } = await import("../sharing/copy.ts");
    return withCopyOf(world, copied, (within, { id }) =>
      createInstance(within, { ...options, source: { kind: "image", target: id } }),
    );
  }
  const uuid = as?.uuid ?? world.ids.uuid();
  const own = [...(as?.volumes.values() ?? [])].map(({ id }) => id);
  const volumes = [...wantedVolumes(await world.store.read(), options), ...own];
  return withLocks(world, [uuid, nameLock(name), ...volumes], async (locks) => {
    const stored = await world.store.read();
    await (as === undefined ? requireFreeName(world, stored, name) : requireNowhere(world, stored, name, as));
    const loan = options.loan ?? (await borrowImage(world, stored, options.source));
    const early = withBorrowed(stored, loan);
    const what = `instance ${name}`;
    const choice = borrowedChoice(options.source, loan);
    const first = findSource(early, choice);
    const parents = first.disks.map((disk) => disk.layer);
    const state = withBorrowed(await awaitUnmerged(world, parents, what), loan);
    const source = findSource(state, choice);
    const shape = chooseShape(state, source, options);
    const publicKey = as === undefined ? keyOf(state, options.keyName) : as.publicKey;
    const taking = { isItself: as !== undefined, trust: options.trustDefinition ?? null };
    const inherited = await inheritedDefinition(world, source, taking);
    const networks = networksFor(world, options, inherited);
    const networkLock = await lockAddresses(world, networks);
    try {
      // Read again: whoever held the network's lock before us has recorded an address.
      const read = withBorrowed(await world.store.read(), loan);
      const now = { ...read, storeId: read.storeId ?? world.ids.uuid() };
      const addressing = await planAddressing(world, now, uuid, options, networks);
      const plan = await planCreate(world, now, uuid, options, { source, shape, inherited, addressing });
      noteLeftOut(world, name, inherited, source);
      noteAgent(world, now, plan, source, options);
      await noteEmulation(world);
      const steps = createSteps(world, now, plan, source, options, publicKey, async () => networkLock?.release());
      const { data } = plan;
      return await run(world, locks, {
        kind: createInstanceKind,
        target: name,
        data,
        steps,
        result: () => storedInstance(world, data.instance),
      });
    } finally {
      await networkLock?.release();
    }
  });
}

/** What is refused is refused before anything is copied. */
async function sourceToCopy(world: World, options: CreateInstanceOptions): Promise<FoundImage | null> {
  if (options.loan !== undefined) return null;
  const state = await world.store.read();
  const copied = await imageToCopy(world, state, options.source, { trustOwner: options.trustOwner ?? false });
  if (copied === null) return null;
  await requireFreeName(world, state, options.name);
  keyOf(state, options.keyName);
  for (const wish of networksFor(world, options, null))
    if (!isUser(wish) && wish.bridge !== true) await requireNetwork(world, wish.name);
  return copied;
}

async function storedInstance(world: World, { id, name }: Instance): Promise<Instance> {
  const stored = (await world.store.read()).instances[id];
  if (stored === undefined) throw new EstratoError("integrity", `instance ${name}: it was not recorded`);
  return stored;
}

/** In this order each crash has an answer: what is recorded first is all that the rest makes. */
function createSteps(
  world: World,
  planned: State,
  plan: CreatePlan,
  source: InstanceSource,
  options: CreateInstanceOptions,
  publicKey: string | null,
  onRecorded: () => Promise<void>,
): Step[] {
  const { instance, volumes, attached, nvram, tpm, seed, autostart } = plan.data;
  const { reservations } = plan;
  let current = planned;
  const steps: Step[] = [
    ...(volumes.some((one) => one.loan !== undefined)
      ? [{ id: "tell-lender", title: "Tell the lender", actions: markUses(volumes, true) }]
      : []),
    {
      id: "record-instance",
      title: "Record the instance and its layers",
      remembers: true,
      run: async () => {
        await storeVolumes(world, volumes, `instance ${instance.name}`, (draft) => {
          recordInstance(
            draft,
            source,
            instance,
            volumes.some((one) => one.loan !== undefined),
          );
          recordAttached(draft, instance.id, attached);
          draft.storeId ??= planned.storeId; // what is defined bears it
        });
        current = await world.store.read();
        await onRecorded(); // its address is recorded: the next create may choose
      },
    },
  ];
  if (reservations.length > 0)
    steps.push({
      id: "reserve-address",
      title: "Reserve the address",
      actions: reservations.map((one): Action => ({ do: "reserve-address", ...one })),
    });
  steps.push({
    id: "make-disks",
    title: "Make the disks",
    // Read when the step comes: a merge that we waited for may have moved what they stand on.
    get actions(): readonly Action[] {
      return createFiles(current, volumes);
    },
  });
  const firmware: Action[] = [];
  if (nvram?.from != null) firmware.push({ do: "copy-file", from: nvram.from, to: nvram.to, mode: WRITABLE });
  if (tpm?.from != null) firmware.push({ do: "place-tpm", domain: instance.id, from: tpm.from, to: tpm.to });
  if (firmware.length > 0)
    steps.push({ id: "place-firmware", title: "Give it what the firmware kept", actions: firmware });
  const { userData, ownIdentity = false, agent = false } = options;
  const { networkConfig } = plan;
  const contents = { uuid: instance.id, name: instance.name, publicKey, userData, ownIdentity, agent, networkConfig };
  const given = options.as?.seed ?? "new";
  if (seed !== null)
    steps.push({
      id: "make-seed",
      title: "Make the seed",
      actions: given === "new" ? [createSeed(seed, contents)] : given(seed),
    });
  steps.push({
    id: "define-domain",
    title: "Define the domain",
    // Encrypted disks name all that they stand on: as with their files, a merge that we waited for may have moved
    // that.
    get actions(): readonly Action[] {
      const encrypted = volumes.filter(({ layer }) => layer.secret !== null);
      const disks = encrypted.map(({ layer, volume }) => [volume.device ?? "", diskFileOf(current, layer)]);
      const xml =
        disks.length === 0 ? plan.xml : world.host.editDefinition(plan.xml, { disks: Object.fromEntries(disks) });
      return [{ do: "define", xml }];
    },
  });
  if (autostart)
    steps.push({
      id: "autostart",
      title: "Start it with the host",
      actions: [{ do: "autostart", domain: instance.id, on: true }],
    });
  if (options.start)
    steps.push({ id: "start", title: "Start it", actions: [{ do: "start", domain: instance.id, paused: false }] });
  return steps;
}

/**
 * In the transaction that stores the layers. Throws "conflict" where the name or the source is no longer what it was.
 */
function recordInstance(draft: State, source: InstanceSource, instance: Instance, isBorrowed: boolean): void {
  if (!isBorrowed && !sourceExists(draft, source)) {
    throw new EstratoError("conflict", `instance ${instance.name}: ${source.label} has been deleted meanwhile`);
  }
  if (draft.instances[instance.id] !== undefined || recordOfName(draft, instance.name)) {
    throw new EstratoError("conflict", `instance ${instance.name}: the name is taken`, { hint: "Choose another." });
  }
  draft.instances[instance.id] = instance;
}

/** The public key of this name; null where none is named. Throws "not_found". */
export function keyOf(state: State, name: string | null): string | null {
  if (name === null) return null;
  const keypair = Object.hasOwn(state.keypairs, name) ? state.keypairs[name] : undefined;
  if (keypair !== undefined) return keypair.publicKey;
  throw new EstratoError("not_found", `keypair ${name}: not found`, {
    hint: `Import one: estrato keypair import ${name} --file ~/.ssh/id_ed25519.pub.`,
  });
}

/** Says what of a source's definition is not in the new instance's. */
function noteLeftOut(world: World, name: string, inherited: InheritedDefinition | null, source: InstanceSource): void {
  if (inherited === null) return;
  const disks = world.host.parseDefinition(inherited.xml).disks.map(({ device }) => device);
  const taken = new Set([...source.disks.map(({ device }) => device), SEED_DEVICE]);
  const others = disks.filter((device) => !taken.has(device)).map((device) => `disk ${device}`);
  tellLeftOut(world, `instance ${name}`, [...inherited.leftOut, ...others]);
}

function noteAgent(
  world: World,
  state: State,
  { xml }: CreatePlan,
  source: InstanceSource,
  { name, as, agent: isAsked = false }: CreateInstanceOptions,
): void {
  if (as !== undefined) return;
  const { agentChannel: hasChannel } = world.host.parseDefinition(xml);
  const note = agentNote(state, source, { isAsked, hasChannel });
  if (note !== null) world.report.note(`instance ${name}: ${note}`);
}

/** Those who have been told: once for each command, however many instances it makes. */
const warned = new WeakSet<object>();

async function noteEmulation(world: World): Promise<void> {
  if (warned.has(world.report) || (await world.host.capabilities()).kvm) return;
  warned.add(world.report);
  world.report.note("KVM does not work on this host: instances run under software emulation, slowly");
}
