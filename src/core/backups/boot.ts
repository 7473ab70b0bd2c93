/** `backup verify --boot`: the last proof. A throw-away guest without a network starts from the backup, which it cannot change. */
import { EstratoError } from "../../errors.ts";
import type { Action } from "../../host/types.ts";
import type { JournalEntry } from "../../store/schema.ts";
import { exclusive } from "../exclusive.ts";
import { execute, type Outcome, perform, type Step } from "../operation.ts";
import type { HeldLocks, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { findBackup, requireWhole, type WholeBackup } from "./find.ts";
import { folderOf } from "./layout.ts";
import type { Verified } from "./verify.ts";

/** What the journal remembers: all of it goes in the end. */
interface BootData {
  readonly uuid: string;
  readonly files: readonly string[];
}

export interface BootOptions {
  /** How long it may take until the guest's agent answers. */
  readonly timeoutMs: number;
  /** Where a picture of its screen goes at the end, whatever came of it; null: none. */
  readonly screenshot: string | null;
}

const LOOK_MS = 500;
const PING_MS = 1_000;

/**
 * Starts a guest on overlays of the backup's disks and waits until its agent answers; then nothing of it is left. Returns how long that took, in ms.
 * Throws "timeout" where it does not in time; "integrity" where the guest powers off or dies before.
 */
async function bootBackup(
  world: World,
  targets: readonly string[],
  word: string,
  options: BootOptions,
): Promise<number> {
  const backup = requireWhole(await findBackup(world, targets, word));
  if (backup.manifest.encrypted) {
    throw new EstratoError("usage", `backup ${backup.id}: it is encrypted, and is not booted from`, {
      hint: "Restore it to an instance, and look at that.",
    });
  }
  const uuid = world.ids.uuid();
  return exclusive(world, [uuid, backup.target], async (locks) => {
    const { disks } = backup.manifest;
    await requireSpace(world, disks.length * EMPTY_HEAD_BYTES, `booting backup ${backup.id}`);
    const overlays = disks.map(() => world.store.paths.layer(world.ids.next("lay")));
    const nvram = backup.manifest.nvram === null ? null : (overlays[0] ?? "").replace(/\.qcow2$/, ".fd");
    const files = [...overlays, ...(nvram === null ? [] : [nvram]), world.store.paths.consoleLog(uuid)];
    let tookMs = 0;
    const steps: Step[] = [
      ...(await bootSteps(world, backup, uuid, overlays, nvram)),
      {
        title: "Wait for its agent",
        run: async () => {
          tookMs = await awaitAgent(world, backup, uuid, options);
        },
      },
      { title: "Throw it away", actions: throwAway({ uuid, files }) },
    ];
    await execute<BootData>(
      world,
      locks,
      { kind: "backup.boot", target: backup.id, data: { uuid, files }, steps },
      recoverBoot,
    );
    return tookMs;
  });
}

/** Boots those that are sound; one that does not is damaged, and says why. */
export async function bootSound(
  world: World,
  targets: readonly string[],
  all: readonly Verified[],
  options: BootOptions,
): Promise<Verified[]> {
  const found: Verified[] = [];
  for (const one of all) {
    if (one.status === "damaged") {
      found.push(one);
      continue;
    }
    try {
      found.push({ ...one, booted_ms: await bootBackup(world, targets, one.id, options) });
    } catch (error) {
      if (!(error instanceof EstratoError) || (error.code !== "timeout" && error.code !== "integrity")) throw error;
      found.push({ ...one, status: "damaged", problems: [...one.problems, error.message] });
    }
  }
  return found;
}

async function bootSteps(
  world: World,
  { id, target, manifest }: WholeBackup,
  uuid: string,
  overlays: readonly string[],
  nvram: string | null,
): Promise<Step[]> {
  const folder = folderOf(target, id);
  const overlayOf = manifest.disks.map(
    ({ file, sizeBytes }, index): Action => ({
      do: "create-disk",
      path: overlays[index] ?? "",
      backing: { path: `${folder}/${file}`, format: "qcow2" },
      sizeBytes,
    }),
  );
  const xml = await world.host.newDefinition({
    name: `estrato-verify-${id}`,
    uuid,
    vcpus: manifest.instance.vcpus,
    ramBytes: manifest.instance.ramBytes,
    disks: manifest.disks.map(({ device }, index) => ({
      device,
      path: overlays[index] ?? "",
      format: "qcow2",
      readonly: false,
      serial: null,
    })),
    interfaces: [],
    consoleLog: world.store.paths.consoleLog(uuid),
    ...(nvram === null ? {} : { nvram }),
  });
  const copied: Action[] =
    nvram === null || manifest.nvram === null
      ? []
      : [{ do: "copy-file", from: `${folder}/${manifest.nvram.file}`, to: nvram, mode: 0o600 }];
  return [
    { title: "Make overlays", actions: [...overlayOf, ...copied] },
    { title: "Define a guest", actions: [{ do: "define", xml }] },
    { title: "Start it", actions: [{ do: "start", domain: uuid, paused: false }] },
  ];
}

async function awaitAgent(
  world: World,
  { id }: WholeBackup,
  uuid: string,
  { timeoutMs, screenshot }: BootOptions,
): Promise<number> {
  const startMs = world.clock.now().getTime();
  try {
    for (;;) {
      const waitedMs = world.clock.now().getTime() - startMs;
      if (await world.host.agentPing(uuid, PING_MS)) return waitedMs;
      if ((await world.host.domainStatus(uuid))?.live == null) {
        throw new EstratoError("integrity", `backup ${id}: the guest that it started is off again`);
      }
      if (waitedMs >= timeoutMs) {
        throw new EstratoError("timeout", `backup ${id}: no guest agent answered within ${timeoutMs / 1000} s`, {
          hint: "Give --timeout, or look at its screen: --screenshot FILE.",
        });
      }
      world.report.progress(`Booting backup ${id}`, null);
      await world.clock.sleep(LOOK_MS, world.signal);
    }
  } finally {
    if (screenshot !== null) await world.host.screenshot(uuid, screenshot).catch(() => undefined);
  }
}

function throwAway({ uuid, files }: BootData): Action[] {
  return [
    { do: "destroy", domain: uuid },
    { do: "undefine", domain: uuid, nvram: false },
    ...files.map((path): Action => ({ do: "unlink", path })),
  ];
}

/** Whatever it had come to: nothing of it stays. */
export async function recoverBoot(world: World, locks: HeldLocks, entry: JournalEntry): Promise<Outcome> {
  const data = entry.data as BootData;
  const actions = throwAway(data);
  const there = (await world.host.domainStatus(data.uuid)) !== null;
  await perform(world, locks, there ? actions : actions.slice(2));
  return "back";
}
