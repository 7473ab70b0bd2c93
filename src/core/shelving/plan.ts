/** Everything that shelving an instance is about to make, decided before the guest is asked to stop. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { copyNames, type Firmware, firmwareOf, firmwareSchema, hasOwnTpm } from "../firmware.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import { newImage } from "../images/record.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Image, Shelved, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import type { World } from "../ports.ts";
import { asLargeAsItIs, type HeadChange, headChangeSchema, newHead, requireUnshared } from "../snapshots/heads.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { requireAgreement } from "../truth.ts";
import { shelvedImageName } from "./record.ts";

/** What the journal remembers of it. */
export interface ShelveData {
  readonly uuid: string;
  readonly name: string;
  readonly image: Image;
  readonly shelved: Shelved;
  /**
   * The volumes go on in new empty heads at once, so that a volume of a shelved instance is a volume like any other:
   * whoever deletes the instance and keeps a volume, or collects layers below it, need not know.
   */
  readonly heads: readonly HeadChange[];
  /** What its firmware keeps now, which the image gets copies of. */
  readonly firmware: Firmware;
  /** Of these, what goes from where it was: a guest of somebody else's keeps its own. */
  readonly own: { readonly nvram: string | null; readonly tpm: boolean };
}

export const shelveDataSchema: v.GenericSchema<unknown, ShelveData> = v.object({
  uuid: v.string(),
  name: v.string(),
  image: recordSchemas.image,
  shelved: recordSchemas.shelved,
  heads: v.array(headChangeSchema),
  firmware: firmwareSchema,
  own: v.object({ nvram: v.nullable(v.string()), tpm: v.boolean() }),
});

/** Throws "conflict", "host" or "integrity"; touches nothing. */
export async function planShelve(world: World, state: State, status: DomainStatus, id: string): Promise<ShelveData> {
  const heads = await planHeads(world, state, status);
  const firmware = await firmwareOf(world, status.inactive);
  const { uuid, name, inactive } = status;
  const image = newImage(
    world,
    { name: shelvedImageName(name), properties: {}, minDiskBytes: null, minRamBytes: null, protect: false },
    {
      id,
      type: "shelved",
      source: { kind: "instance", id: uuid, name },
      disks: heads.map(({ device, before }) => ({ device, layer: before.id, sizeBytes: before.sizeBytes })),
      definition: `${id}.xml`,
      ...copyNames(id, firmware),
      uefi: inactive.firmware,
    },
  );
  const shelved: Shelved = {
    image: id,
    at: image.createdAt,
    was: status.live === null ? "off" : status.state === "paused" ? "paused" : "running",
    autostart: status.autostart,
    vcpus: inactive.vcpus,
    ramBytes: inactive.ramBytes,
    interfaces: inactive.interfaces.map(({ mac, network }) => ({ mac, network })),
    offloaded: false,
  };
  const ours = firmware.nvram?.startsWith(`${world.store.paths.layersFolder}/`) === true;
  const own = { nvram: ours ? firmware.nvram : null, tpm: hasOwnTpm(state, uuid, inactive) };
  return { uuid, name, image, shelved, heads, firmware, own };
}

async function planHeads(world: World, state: State, status: DomainStatus): Promise<HeadChange[]> {
  const { maxChain } = await world.host.capabilities();
  const heads: HeadChange[] = [];
  for (const fact of await requireAgreement(world, state, status)) {
    const what = `instance ${status.name}: disk ${fact.device}`;
    const head = state.layers[fact.volume.head];
    if (head === undefined) throw new EstratoError("integrity", `${what}: its head is not recorded`);
    requireUnshared(fact, status.name);
    requireRoomInChain(state, head.id, maxChain, what);
    const before = await asLargeAsItIs(world, head, fact.liveSizeBytes, what);
    heads.push(newHead(world, state, fact.volume, before, before, before.sizeBytes));
  }
  await requireSpace(world, heads.length * EMPTY_HEAD_BYTES, `shelving ${status.name}`);
  return heads;
}
