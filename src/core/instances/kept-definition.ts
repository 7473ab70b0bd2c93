/**
 * The newest definition of each instance, beside the state: written with each change of it, so that a guest that
 * somebody undefines can be defined again (doctor/undefined.ts). Disks are named by volume, so that no old head is ever
 * defined.
 */
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { volumesOf } from "./volumes-of.ts";

/** What undefining forgets besides the document: a comment in front of it. */
const WITH_HOST = "<!-- starts with the host -->\n";

/** A definition as it was kept: the files in it are those of its volumes, `/vol-…`, and are to be filled in. */
export interface KeptDefinition {
  readonly xml: string;
  readonly autostart: boolean;
}

/** File name in records/. */
export function keptName(uuid: string): string {
  return `${uuid}.xml`;
}

/** What is kept of it; null where nothing is. */
export async function keptDefinition(world: World, uuid: string): Promise<KeptDefinition | null> {
  const text = await world.store.findRecord(keptName(uuid));
  if (text === null) return null;
  const autostart = text.startsWith(WITH_HOST);
  return { xml: autostart ? text.slice(WITH_HOST.length) : text, autostart };
}

/**
 * Keeps what libvirt says of an instance now, where that differs from what is kept. Only what libvirt itself keeps: of
 * a transient domain what was kept before stays.
 */
export async function keepDefinition(world: World, state: State, status: DomainStatus): Promise<void> {
  if (world.dryRun || !status.persistent || state.instances[status.uuid] === undefined) return;
  const { inactive, uuid, autostart } = status;
  const volumes = volumesOf(state, uuid);
  // A disk that names another file keeps that: which one is right is not for this to say.
  const own = inactive.disks.filter(
    ({ device, source }) => source !== null && state.layers[volumes.get(device)?.head ?? ""]?.file === source,
  );
  const disks = Object.fromEntries(
    own.map(({ device }) => [device, { path: `/${volumes.get(device)?.id}`, format: "qcow2" }]),
  );
  const xml = world.host.editDefinition(inactive.xml, { disks, dropBackingStore: true });
  const kept = await keptDefinition(world, uuid);
  if (kept?.xml === xml && kept.autostart === autostart) return;
  await world.store.writeRecord(keptName(uuid), `${autostart ? WITH_HOST : ""}${xml}`);
}

/** No "redefine": that changes the files of disks alone. */
const CHANGES = ["define", "attach-disk", "detach-disk", "rename", "autostart", "mark-domain"] as const;

type Change = Extract<Action, { do: (typeof CHANGES)[number] }>;

function isChange(action: Action): action is Change {
  return CHANGES.some((one) => one === action.do);
}

/** In the step that makes it: what an action has changed of an instance's definition is kept. */
export async function keepChange(world: World, action: Action): Promise<void> {
  if (!isChange(action)) return;
  const state = await world.store.read();
  const uuid = action.do === "define" ? world.host.parseDefinition(action.xml).uuid : action.domain;
  if (state.instances[uuid] === undefined) return;
  const status = await world.host.domainStatus(uuid);
  if (status !== null) await keepDefinition(world, state, status);
}
