/** What becomes of an instance whose unshelving did not end (DESIGN.md, section 5). */
import * as v from "valibot";
import type { Copy } from "../firmware.ts";
import { copySchema } from "../firmware.ts";
import type { Action } from "../model/action.ts";
import type { Image, Shelved, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { unlinkShelf } from "./record.ts";

/** What the journal remembers of it. */
export interface UnshelveData {
  readonly uuid: string;
  readonly name: string;
  readonly image: Image;
  readonly was: Shelved["was"];
  readonly autostart: boolean;
  readonly nvram: Copy | null;
  /** `own`: where it stays shelved, what was placed goes again. */
  readonly tpm: (Copy & { readonly own: boolean }) | null;
}

export const unshelveKind: Kind<UnshelveData> = {
  name: "instance.unshelve",
  forQemu: () => true,
  version: 1,
  data: v.object({
    uuid: v.string(),
    name: v.string(),
    image: recordSchemas.image,
    was: v.picklist(["running", "paused", "off"]),
    autostart: v.boolean(),
    nvram: v.nullable(copySchema),
    tpm: v.nullable(v.object({ ...copySchema.entries, own: v.boolean() })),
  }),
  recover: recoverUnshelve,
};

/** The domain is the instance's again, and the image goes, in one transaction. Idempotent. */
export function recordUnshelved(draft: State, { uuid, image }: UnshelveData): void {
  const instance = draft.instances[uuid];
  if (instance?.shelved?.image === image.id) instance.shelved = null;
  delete draft.images[image.id];
}

/**
 * The domain is there: forward. It is not started, as after a creation: the crash may be a week old. Not there: back,
 * it stays shelved; its reservation stays too, for it is its own. Repeatable.
 */
async function recoverUnshelve(world: World, locks: HeldLocks, data: UnshelveData): Promise<Outcome> {
  const status = await world.host.domainStatus(data.uuid);
  const isRecorded = (await world.store.read()).instances[data.uuid]?.shelved?.image !== data.image.id;
  if (!isRecorded && status === null) {
    const placed: Action[] = data.nvram === null ? [] : [{ do: "unlink", path: data.nvram.to }];
    if (data.tpm?.own === true) placed.push({ do: "remove-tpm", domain: data.uuid });
    await perform(world, locks, placed);
    return "back";
  }
  if (!isRecorded) {
    if (data.autostart) await perform(world, locks, [{ do: "autostart", domain: data.uuid, on: true }]);
    await world.store.update((draft) => recordUnshelved(draft, data));
  }
  await perform(world, locks, unlinkShelf(world, data.image));
  if (data.was !== "off" && status?.live == null) {
    world.report.note(`${data.name}: it is unshelved but not started: estrato instance start ${data.name}`);
  }
  return "forward";
}
