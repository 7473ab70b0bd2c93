/** The libvirt definition of a new instance. */
import { EstratoError } from "../../errors.ts";
import { USER_NETWORK } from "../forwards/free-ports.ts";
import { diskFileOf } from "../graph/files.ts";
import type { NewVolume } from "../layers/heads.ts";
import type { CardSource, DefinitionEdit, DomainDefinition, NewCard, NewDisk } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { serialOf } from "../volumes/attachment.ts";
import { recordedDefinition } from "./definition-file.ts";
import { markOf } from "./marks.ts";
import { SEED_DEVICE } from "./seed.ts";
import type { Shape } from "./shape.ts";
import type { InstanceSource } from "./source.ts";
import { noDefinition, requireShown, type TrustedDefinition } from "./trusted-definition.ts";

export interface DefinitionRequest {
  readonly name: string;
  readonly uuid: string;
  readonly shape: Shape;
  readonly state: State; // in which the new volumes stand on what they stand on
  readonly volumes: readonly NewVolume[];
  readonly attached: readonly NewDisk[]; // volumes that are there already
  readonly seed: string | null; // path
  readonly nvram: string | null; // path of its own, where it has UEFI
  readonly cards: readonly NewCard[];
  readonly userNetwork: Instance["userNetwork"];
  readonly isItself: boolean; // it is the guest of the inherited definition: shape and MACs are as they were
  readonly isNetworkChosen: boolean; // by whoever asks for it
}

/** What a source with firmware or a TPM of its own fixes; null where a plain definition serves. */
export interface InheritedDefinition {
  readonly xml: string;
  readonly uefi: boolean;
  readonly network: string | null;
  /** What of the definition it came from is not in it; shown once it is known which of its disks are taken. */
  readonly leftOut: readonly string[];
}

/**
 * A guest that was installed for UEFI boots only with such firmware, which its definition alone names, and what its TPM
 * has sealed it finds only in that: there the new instance's definition is built of what is taken of the old one
 * (DESIGN.md, invariant 16). All others get a plain one. Either way nothing of the old guest's host (passed-through
 * devices, shared folders, scripts, ports) comes along, but where a person trusts the definition (`trust`): then it is
 * taken whole. A volume brings none: where it is a UEFI guest's, the plain definition has UEFI. `isItself`: what comes
 * back as itself has always what is taken of its own.
 */
export async function inheritedDefinition(
  world: World,
  source: InstanceSource,
  { isItself, trust }: { readonly isItself: boolean; readonly trust: TrustedDefinition | null },
): Promise<InheritedDefinition | null> {
  if (source.definition === null) {
    if (trust !== null) throw noDefinition(source.label);
    if (!isItself && source.nvram === null && source.tpm === null) return null;
    throw new EstratoError(
      "integrity",
      `${source.label}: it has NVRAM or a TPM but no definition that names its firmware`,
      {
        hint: 'Run "estrato doctor".',
      },
    );
  }
  const xml = await recordedDefinition(world, source.definition);
  if (trust !== null) requireShown(xml, trust, source.label);
  const definition = world.host.parseDefinition(xml);
  const uefi = definition.firmware || source.nvram !== null;
  if (!isItself && !uefi && source.tpm === null && trust === null) return null;
  const taken = trust === null ? await world.host.takenFrom(xml, "here") : { xml, leftOut: [] };
  const { interfaces } = world.host.parseDefinition(taken.xml);
  const [first] = interfaces;
  return { ...taken, uefi, network: first?.user === undefined ? (first?.network ?? null) : USER_NETWORK };
}

/**
 * The devices that the source's disks get: their own where a definition is inherited, else vda, vdb, … in their order.
 */
export function devicesFor(source: InstanceSource, inherited: InheritedDefinition | null): string[] {
  return source.disks.map((disk, index) => (inherited === null ? `vd${String.fromCharCode(97 + index)}` : disk.device));
}

/** The document to define. Changes nothing. */
export async function newInstanceDefinition(
  world: World,
  request: DefinitionRequest,
  inherited: InheritedDefinition | null,
): Promise<string> {
  const seed = { device: SEED_DEVICE, path: request.seed ?? "", format: "raw", readonly: true, serial: null };
  const disks = request.volumes.map(({ layer, volume }) => ({
    device: volume.device ?? "",
    ...diskFileOf(request.state, layer),
    readonly: false,
    serial: serialOf(volume),
  }));
  const all = [...disks, ...request.attached, ...(request.seed === null ? [] : [seed])];
  if (inherited !== null) return editInherited(world, request, inherited, all);
  return world.host.newDefinition({
    name: request.name,
    uuid: request.uuid,
    vcpus: request.shape.vcpus,
    ramBytes: request.shape.ramBytes,
    disks: all,
    interfaces: request.cards,
    consoleLog: world.store.paths.consoleLog(request.uuid),
    ...(request.nvram === null ? {} : { nvram: request.nvram }),
    ...marked(world, request),
  });
}

/** It bears this store's mark from its first definition on, and none that it has inherited. */
function marked(world: World, { state }: DefinitionRequest): Pick<DefinitionEdit, "mark"> {
  const mark = markOf(world, state);
  return mark === null ? {} : { mark };
}

/** Disks that the source does not hold (shared, excluded) belong to the old guest and are left out. */
function editInherited(
  world: World,
  request: DefinitionRequest,
  inherited: InheritedDefinition,
  wanted: readonly NewDisk[],
): string {
  const old = world.host.parseDefinition(inherited.xml);
  const known = new Set(old.disks.map((disk) => disk.device));
  const disks = Object.fromEntries(
    old.disks.map((disk) => {
      const one = wanted.find((candidate) => candidate.device === disk.device);
      return [disk.device, one ?? null];
    }),
  );
  return world.host.editDefinition(inherited.xml, {
    name: request.name,
    uuid: request.uuid,
    ...(request.isItself ? ownCard(request, old) : anothersOwn(world, request, old)),
    disks,
    addDisks: wanted.filter((one) => !known.has(one.device)),
    ...(request.nvram === null ? {} : { nvram: request.nvram }),
    ownTpm: true,
    dropBackingStore: true,
    newGenerationId: true,
    dropMarks: true,
    ...marked(world, request),
    consoleLog: world.store.paths.consoleLog(request.uuid),
  });
}

/** What comes back as itself has its cards; what serves one of its user's is chosen on this host. */
function ownCard(
  { userNetwork }: DefinitionRequest,
  { interfaces }: DomainDefinition,
): Pick<DefinitionEdit, "networks"> {
  const card = interfaces.find(({ user }) => user !== undefined);
  return card === undefined || userNetwork === undefined ? {} : { networks: { [card.mac]: { user: userNetwork } } };
}

/** What makes a guest of an inherited definition another one: its own size, and MACs that nobody has. */
function anothersOwn(world: World, request: DefinitionRequest, old: DomainDefinition) {
  const { shape, cards } = request;
  // One that no libvirt has defined yet may lack its MAC: libvirt gives it one.
  const had = old.interfaces.filter(({ mac }) => mac !== "");
  const macs = had.map(({ mac }, index) => [mac, cards[index]?.mac ?? world.ids.mac()]);
  const chosen = cardsOf(
    request,
    had[0]?.network ?? null,
    macs.map(([, mac]) => mac ?? ""),
  );
  return { vcpus: shape.vcpus, ramBytes: shape.ramBytes, macs: Object.fromEntries(macs), ...chosen };
}

/**
 * What was chosen is that of its first cards, which stay in the guest what they were, and of new ones beside them.
 * Where it is another network than the definition's, or several, the other cards go: who asks for one network wants no
 * way into others.
 */
function cardsOf(
  { cards, isNetworkChosen }: DefinitionRequest,
  network: string | null,
  macs: readonly string[],
): Pick<DefinitionEdit, "networks" | "dropInterfaces" | "addInterfaces"> {
  const [first] = cards;
  if (first === undefined) return isNetworkChosen ? { dropInterfaces: macs } : {};
  const isAsBefore = cards.length === 1 && macs.length > 0 && "network" in first && first.network === network;
  if (isAsBefore) return {};
  const [kept, added] = [cards.slice(0, macs.length), cards.slice(macs.length)];
  const networks: Record<string, CardSource> = Object.fromEntries(kept.map(({ mac, ...source }) => [mac, source]));
  return {
    ...(kept.length === 0 ? {} : { networks, dropInterfaces: macs.slice(kept.length) }),
    ...(added.length === 0 ? {} : { addInterfaces: added }),
  };
}
