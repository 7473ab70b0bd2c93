/** What becomes of an instance whose shelving did not end (DESIGN.md, section 5). */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { isUnwritten } from "../layers/heads.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import { modeOf } from "../modes.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";
import type { ShelveData } from "./plan.ts";
import { shelveDataSchema } from "./plan.ts";
import { unlinkShelf } from "./record.ts";

export const shelveKind: Kind<ShelveData> = {
  name: "instance.shelve",
  version: 1,
  data: shelveDataSchema,
  recover: recoverShelve,
};

/** No record: back, and it is started again if it ran. Record: forward. Repeatable. */
async function recoverShelve(world: World, locks: HeldLocks, data: ShelveData): Promise<Outcome> {
  const record = (await world.store.read()).instances[data.uuid];
  const status = await world.host.domainStatus(data.uuid);
  if (record?.shelved?.image === data.image.id) {
    requireOff(data, status);
    await requireAsShelved(world, data, status);
    await perform(world, locks, undefine(data));
    return "forward";
  }
  await undo(world, locks, data);
  if (status !== null) await bringBack(world, locks, data, status);
  return "back";
}

/** Its layers are frozen by then, so that nobody can have started it on them: it runs on something else. */
function requireOff(data: ShelveData, status: DomainStatus | null): void {
  if (status === null || status.live === null) return;
  throw new EstratoError("conflict", `instance ${data.name}: it was started while it was being shelved`, {
    hint: `Stop it first: virsh shutdown ${data.name}.`,
  });
}

/** What another tool has put on its disks since, the guest may have written to: nothing would name it any more. */
async function requireAsShelved(world: World, data: ShelveData, status: DomainStatus | null): Promise<void> {
  for (const { device, before } of data.heads) {
    const source = status?.inactive.disks.find((disk) => disk.device === device)?.source ?? null;
    if (source === null || (await isSameFile(world, source, before.file))) continue;
    throw new EstratoError("conflict", `instance ${data.name}: it is shelved, and its ${device} is ${source} by now`, {
      hint: `Copy that file where you need what it holds; then: virsh undefine --keep-nvram ${data.uuid}.`,
    });
  }
}

async function undo(world: World, locks: HeldLocks, data: ShelveData): Promise<void> {
  for (const { after } of data.heads) {
    if (await isUnwritten(world, after)) continue;
    throw new EstratoError("integrity", `${after.file}: it was to be empty, and is not`, {
      hint: 'Run "estrato doctor".',
    });
  }
  await perform(world, locks, [
    ...unlinkAll(data.heads.map((head) => head.after.file)),
    ...unlinkShelf(world, data.image),
    ...data.heads.map((head) => modeOf(head.before)),
  ]);
}

/** Nothing is lost where it does not start: a note says so. */
async function bringBack(world: World, locks: HeldLocks, data: ShelveData, status: DomainStatus): Promise<void> {
  const { was } = data.shelved;
  const domain = data.uuid;
  if (was === "off") return;
  try {
    if (status.live === null) await perform(world, locks, [{ do: "start", domain, paused: was === "paused" }]);
    else if (was === "paused") await perform(world, locks, [{ do: "suspend", domain }]);
  } catch (error) {
    world.report.note(`${data.name}: it is not shelved, but does not start: ${wordsOf(error)}`);
  }
}

/** What leaves libvirt last, once all is recorded. Idempotent. */
export function undefine({ uuid, own }: ShelveData): Action[] {
  const actions: Action[] = [{ do: "undefine", domain: uuid, nvram: false }];
  // The copies take their place; a file of the user's own stays, like a disk of his.
  if (own.nvram !== null) actions.push({ do: "unlink", path: own.nvram });
  if (own.tpm) actions.push({ do: "remove-tpm", domain: uuid });
  return actions;
}
