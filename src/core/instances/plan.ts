/** Everything that creating an instance is about to make, decided before anything is touched. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { nvramFile, pathsOf, requireCopies } from "../firmware.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import { type NewVolume, newVolumeSchema, planVolume } from "../layers/heads.ts";
import type { Forward } from "../model/host.ts";
import type { Base, Instance, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { BorrowedImage } from "../sharing/borrow.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { addressesOf } from "./addressing.ts";
import { type AttachedVolume, attachedVolumeSchema, planAttached, wantedVolumes } from "./attached.ts";
import { baseOf } from "./base.ts";
import { devicesFor, type InheritedDefinition, newInstanceDefinition } from "./definition.ts";
import type { InstanceIdentity } from "./identity.ts";
import type { NetworkWish } from "./network-wish.ts";
import type { Addressing, Reservation } from "./new-cards.ts";
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
  /** Of its first card. Null: the default network, or the one that an inherited definition names. */
  readonly network: NetworkWish | null;
  /** Of more cards. */
  readonly further?: readonly NetworkWish[];
  /** Ports of this host that lead to it, on the network user. */
  readonly forwards?: readonly Forward[];
  readonly ip: string | null;
  readonly userData: string | null;
  /** Its seed has cloud-init install the guest agent (agent.ts). */
  readonly agent?: boolean;
  /** Its seed has cloud-init give it a machine-id, host keys and logins of its own (own-identity.ts). */
  readonly ownIdentity?: boolean;
  readonly properties: Readonly<Record<string, string>>;
  readonly start: boolean;
  /** It comes back as what it was: key, network and address are those that it had. */
  readonly as?: InstanceIdentity;
  /** Its source is a backup's copy, which is an image for this moment only. */
  readonly fromBackup?: true;
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
  seed: v.nullable(v.string()),
  reservations: v.array(v.object({ network: v.string(), mac: v.string(), ip: v.string(), name: v.string() })),
  autostart: v.boolean(),
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
  readonly seed: string | null; // path
  /** That it puts on the books. */
  readonly reservations: readonly Reservation[];
  readonly autostart: boolean;
  readonly start: boolean;
}

export interface CreatePlan {
  readonly data: CreateData;
  /** All that it has, on the books already or not. */
  readonly reservations: readonly Reservation[];
  readonly networkConfig: string | null;
  readonly xml: string;
}

const SEED_BYTES = 1024 * 1024;

/**
 * Chooses ids and sizes; checks room in the chain and on the disk. Called under the network's lock.
 * Throws "usage", "conflict", "host"; touches nothing.
 */
export async function planCreate(
  world: World,
  state: State,
  uuid: string,
  options: CreateInstanceOptions,
  parts: { source: InstanceSource; shape: Shape; inherited: InheritedDefinition | null; addressing: Addressing },
): Promise<CreatePlan> {
  const { source, shape, inherited, addressing } = parts;
  const { as } = options;
  await requireCopies(world, source, source.label);
  const uefi = inherited?.uefi ?? source.uefi;
  const devices = devicesFor(source, inherited);
  const planned = await planVolumes(world, state, uuid, options.name, source, shape, { devices, uefi });
  const volumes = as === undefined ? planned : planned.map((one) => asItWas(one, as));
  const taken = volumes.map(({ volume }) => volume.device ?? "");
  const attached = await planAttached(world, state, wantedVolumes(state, options), taken);
  await requireSpace(world, volumes.length * EMPTY_HEAD_BYTES + SEED_BYTES, `instance ${options.name}`);
  const kept = pathsOf(world, source);
  const nvram = uefi ? { from: kept.nvram, to: nvramFile(world, uuid) } : null;
  const seed = as?.seed === null ? null : world.store.paths.seed(uuid);
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
      cards: addressing.cards,
      userNetwork: addressing.userNetwork,
      isItself: as !== undefined,
      isNetworkChosen: options.network !== null,
    },
    inherited,
  );
  const place = world.host.parseDefinition(xml).tpm;
  const tpm = place === null ? null : { from: kept.tpm, to: place };
  const base = baseFor(state, source, options, volumes);
  const instance: Instance = {
    id: uuid,
    name: options.name,
    origin: "created",
    // What is booted from a loan is known by what it is lent from.
    image: source.kind === "volume" ? null : as === undefined || options.loan !== undefined ? source.id : as.image,
    ...(base === null ? {} : { base }),
    flavor: as === undefined ? shape.flavor : as.flavor,
    keyName: options.keyName,
    owner: world.user,
    createdAt: as?.createdAt ?? world.clock.now().toISOString(),
    properties: { ...options.properties },
    current: null,
    undo: null,
    addresses: addressesOf(addressing),
    ...(addressing.userNetwork === undefined ? {} : { userNetwork: addressing.userNetwork }),
    seed,
    shelved: null,
  };
  const { made, reservations, networkConfig } = addressing;
  const firmware = { nvram, tpm, seed };
  const autostart = as?.autostart ?? false;
  const data = { instance, volumes, attached, ...firmware, reservations: made, autostart, start: options.start };
  return { data, reservations, networkConfig, xml };
}

/** What comes back as itself is rebuilt on its image of then, where that is still here. */
function baseFor(
  state: State,
  source: InstanceSource,
  { as, fromBackup }: CreateInstanceOptions,
  volumes: readonly NewVolume[],
): Base | null {
  if (as === undefined && (fromBackup || source.kind !== "image")) return null;
  const image = state.images[(as === undefined ? source.id : as.image) ?? ""];
  const isLent = as === undefined && volumes.some(({ loan }) => loan !== undefined);
  return image === undefined ? null : baseOf(image, { isLent });
}

function asItWas(planned: NewVolume, { volumes }: InstanceIdentity): NewVolume {
  const was = volumes.get(planned.volume.device ?? "");
  return was === undefined ? planned : { ...planned, volume: { ...planned.volume, id: was.id, ...was.known } };
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
    throw new EstratoError("conflict", `${source.label}: it holds no disk to start from`, {
      hint: 'Choose another: see "estrato image list" and "estrato snapshot list".',
    });
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
