/** Everything that creating an instance is about to make, decided before anything is touched. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { pathsOf, requireCopies } from "../firmware.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import { type NewVolume, newVolumeSchema, planVolume } from "../layers/heads.ts";
import type { NetworkInfo } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { chooseAddress, reservationName } from "../networks.ts";
import type { World } from "../ports.ts";
import type { BorrowedImage } from "../sharing/borrow.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { type AttachedVolume, attachedVolumeSchema, planAttached, wantedVolumes } from "./attached.ts";
import { devicesFor, type InheritedDefinition, type NewInterface, newInstanceDefinition } from "./definition.ts";
import { hostnameOf } from "./hostname.ts";
import type { Shape } from "./shape.ts";
import type { InstanceSource } from "./source.ts";
import type { TrustedDefinition } from "./trusted-definition.ts";

/** What a person may say about a new instance; the command has read files and parsed sizes. */
export interface CreateInstanceOptions {
  readonly name: string;
  /** A volume is booted from as it is, and not copied. */
  readonly source: { readonly kind: "image" | "snapshot" | "volume"; readonly target: string };
  /** Holds the source, where that is not recorded here. */
  readonly loan?: BorrowedImage;
  /** That are there, and are attached to it. */
  readonly volumes?: readonly string[];
  readonly flavor: string | null;
  readonly vcpus: number | null;
  readonly ramBytes: number | null;
  readonly diskBytes: number | null;
  readonly keyName: string | null;
  /** Null: the default network, or the one that an inherited definition names. */
  readonly network: { readonly name: string | "none" } | null;
  readonly ip: string | null;
  readonly userData: string | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly start: boolean;
  /** Stand on the files of a lender who is not root, without a copy. */
  readonly trustOwner?: boolean;
  /** Take the source's definition whole: a person has seen what of the host it names. */
  readonly trustDefinition?: TrustedDefinition | null;
}

const kept = v.nullable(v.object({ from: v.nullable(v.string()), to: v.string() }));
export const createDataSchema: v.GenericSchema<unknown, CreateData> = v.object({
  instance: recordSchemas.instance,
  volumes: v.array(newVolumeSchema),
  attached: v.array(attachedVolumeSchema),
  nvram: kept,
  tpm: kept,
  seed: v.string(),
  reservation: v.nullable(v.object({ network: v.string(), mac: v.string(), ip: v.string(), name: v.string() })),
  start: v.boolean(),
});

/** What the journal remembers of a creation: all that undoing or finishing it needs. No secret is in it. */
export interface CreateData {
  readonly instance: Instance;
  readonly volumes: readonly NewVolume[];
  readonly attached: readonly AttachedVolume[];
  /** `from` null: libvirt makes it at the first start. */
  readonly nvram: { readonly from: string | null; readonly to: string } | null;
  readonly tpm: { readonly from: string | null; readonly to: string } | null;
  readonly seed: string; // path
  readonly reservation: {
    readonly network: string;
    readonly mac: string;
    readonly ip: string;
    readonly name: string;
  } | null;
  readonly start: boolean;
}

export interface CreatePlan {
  readonly data: CreateData;
  readonly xml: string;
}

const SEED_BYTES = 1024 * 1024;

/**
 * Chooses ids, sizes, a MAC and an address; checks room in the chain and on the disk. Called under the network's lock.
 * Throws "usage", "conflict", "host"; touches nothing.
 */
export async function planCreate(
  world: World,
  state: State,
  uuid: string,
  options: CreateInstanceOptions,
  parts: { source: InstanceSource; shape: Shape; inherited: InheritedDefinition | null; network: NetworkInfo | null },
): Promise<CreatePlan> {
  const { source, shape, inherited, network } = parts;
  await requireCopies(world, source, source.label);
  const uefi = inherited?.uefi ?? source.uefi;
  const devices = devicesFor(source, inherited);
  const volumes = await planVolumes(world, state, uuid, options.name, source, shape, { devices, uefi });
  const taken = volumes.map(({ volume }) => volume.device ?? "");
  const attached = await planAttached(world, state, wantedVolumes(state, options), taken);
  await requireSpace(world, volumes.length * EMPTY_HEAD_BYTES + SEED_BYTES, `instance ${options.name}`);
  const nic: NewInterface | null = network === null ? null : { network: network.name, mac: world.ids.mac() };
  const ip = network === null ? null : chooseAddress(state, network, options.ip);
  if (nic !== null && network !== null && ip === null) {
    world.report.note(
      `network ${nic.network}: libvirt serves no addresses there; ${options.name} keeps its MAC ${nic.mac} only`,
    );
  }
  const kept = pathsOf(world, source);
  // A file of libvirt's own naming would wait for the next instance of this name; QEMU's user can reach one beside the
  // heads.
  const nvramFile = world.store.paths.layer(uuid).replace(/\.qcow2$/, ".fd");
  const nvram = uefi ? { from: kept.nvram, to: nvramFile } : null;
  const seed = world.store.paths.seed(uuid);
  const xml = await newInstanceDefinition(
    world,
    {
      name: options.name,
      uuid,
      shape,
      state,
      volumes,
      attached: attached.map(({ disk }) => disk),
      seed,
      nvram: nvram?.to ?? null,
      interface: nic,
      isNetworkChosen: options.network !== null,
    },
    inherited,
  );
  const place = world.host.parseDefinition(xml).tpm;
  const tpm = place === null ? null : { from: kept.tpm, to: place };
  const instance: Instance = {
    id: uuid,
    name: options.name,
    origin: "created",
    image: source.kind === "volume" ? null : source.id,
    flavor: shape.flavor,
    keyName: options.keyName,
    owner: world.user,
    createdAt: world.clock.now().toISOString(),
    properties: { ...options.properties },
    current: null,
    undo: null,
    addresses: nic === null || ip === null ? [] : [{ network: nic.network, mac: nic.mac, ip }],
    seed,
    shelved: null,
  };
  const reservation =
    nic === null || ip === null || network === null
      ? null
      : { ...nic, ip, name: reservationName(network, hostnameOf(options.name), uuid) };
  return { data: { instance, volumes, attached, nvram, tpm, seed, reservation, start: options.start }, xml };
}

async function planVolumes(
  world: World,
  state: State,
  uuid: string,
  name: string,
  source: InstanceSource,
  shape: Shape,
  { devices, uefi }: { readonly devices: readonly string[]; readonly uefi: boolean },
): Promise<NewVolume[]> {
  const { maxChain } = await world.host.capabilities();
  if (source.disks.length === 0 && source.kind !== "volume")
    throw new EstratoError("conflict", `${source.label}: it holds no disk to start from`);
  return source.disks.map((disk, index) => {
    const device = devices[index] ?? disk.device;
    const what = `instance ${name}: disk ${device}`;
    const note = requireRoomInChain(state, disk.layer, maxChain, what);
    if (note !== null) world.report.note(note);
    return planVolume(world, state, {
      what,
      name: null,
      instance: uuid,
      device,
      parent: disk.layer,
      askedBytes: index === 0 ? shape.diskBytes : null, // a flavor's disk is the first one
      deleteWithInstance: true,
      sourceImage: source.kind === "image" ? source.id : null,
      sourceSnapshot: source.kind === "snapshot" ? source.id : null,
      uefi,
    });
  });
}
