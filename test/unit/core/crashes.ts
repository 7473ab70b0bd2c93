/**
 * The crash suite: a command ends badly at every point, things happen, the next command runs, and all that was promised
 * is looked at.
 */
import { expect } from "vitest";
import { examine, repair } from "../../../src/core/doctor/doctor.ts";
import { findings } from "../../../src/core/graph/invariants.ts";
import { startInstance } from "../../../src/core/instances/start.ts";
import { collect } from "../../../src/core/layers/collect.ts";
import type { State } from "../../../src/core/model/state.ts";
import { recoverAll } from "../../../src/core/operations/recovery.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import type { Content } from "../../fake/host.ts";
import { type Ending, everyEnd, type Work } from "./ends.ts";
import {
  type Bed,
  backupsOf,
  command,
  contentsOf,
  copyOf,
  creation,
  disksOf,
  start,
  stateOf,
  stop,
  tpmPlace,
  UUID,
  virsh,
  write,
  writeBoth,
} from "./world.ts";

/** A command of the guest web1 that is to end badly. */
export interface Scenario extends Work {
  /** What the guest may hold afterwards besides what it held last: what it is reverted to. */
  readonly forward?: Record<string, Content>;
  /** Where it went forward, what it held must be in an automatic snapshot. */
  readonly keeps?: boolean;
  /** Not all of the happenings: where the ways of the guest are those of another scenario. */
  readonly meanwhile?: readonly Meanwhile[];
}

/** What happens between the end of a command and the next one. */
export type Meanwhile = "nothing" | "writes" | "stops" | "writes and stops" | "restarts" | "job ends" | "QEMU dies";

export const MEANWHILE: readonly Meanwhile[] = [
  "nothing",
  "writes",
  "stops",
  "writes and stops",
  "restarts",
  "job ends",
  "QEMU dies",
];

/**
 * Without libvirt the guest does nothing that it does not do after a kill: what its jobs and its power come to is tried
 * there.
 */
const HAPPENS: Readonly<Record<Ending, readonly Meanwhile[]>> = {
  killed: MEANWHILE,
  "without libvirt": ["nothing", "writes and stops", "job ends"],
};

/** Ends the command at each point in turn, with each of the happenings after it; returns how many cases there were. */
export async function endEverywhere(ending: Ending, scenario: Scenario): Promise<number> {
  let cases = 0;
  const happenings = HAPPENS[ending].filter((one) => (scenario.meanwhile ?? MEANWHILE).includes(one));
  const { before, ends } = await everyEnd(ending, scenario);
  const promised = await promises(before);
  const wasPaused = before.machine.domains.get(UUID)?.state === "paused";
  for (const [place, end] of ends.entries()) {
    for (const [index, meanwhile] of happenings.entries()) {
      // Events of steps lie just beside writes and actions: two of the happenings are enough there.
      if (end.isStep && meanwhile !== "nothing" && meanwhile !== "writes and stops") continue;
      const next = (place + index) % 2 === 0 ? "command" : "repair";
      const on = await end.strike();
      const where = `${end.point}; then: ${meanwhile}; next: ${next}`;
      await lookAfter(scenario, on, promised, { meanwhile, next, where });
      await requireAlive(on, where, wasPaused);
      cases += 1;
    }
  }
  return cases;
}

async function lookAfter(
  scenario: Scenario,
  on: Bed,
  promised: Map<string, Record<string, Content>>,
  { meanwhile, next, where }: { meanwhile: Meanwhile; next: "command" | "repair"; where: string },
): Promise<void> {
  const held = await happen(on, meanwhile);
  const world = command(on);
  if (next === "repair") await repair(world);
  else {
    await recoverAll(world);
    await collect(world);
  }
  await absorbLie(on, where);
  await requireSound(on, where, world.notes);
  for (const [id, content] of promised) {
    const now = await contentsOf(on, id);
    if (Object.keys(now).length > 0) expect(now, where).toEqual(content);
  }
  await requireHead(on, scenario, held, where);
  await requireTpm(on, where);
}

/** What every snapshot, image and backup reads as now. */
async function promises(on: Bed): Promise<Map<string, Record<string, Content>>> {
  const state = await stateOf(on);
  const found = new Map<string, Record<string, Content>>();
  for (const id of [...Object.keys(state.snapshots), ...Object.keys(state.images), ...backupsOf(on)]) {
    found.set(id, await contentsOf(on, id));
  }
  return found;
}

/** Lets it happen; returns what the guest held last. */
export async function happen(on: Bed, meanwhile: Meanwhile): Promise<Record<string, Content>> {
  const domain = on.machine.domains.get(UUID);
  const writes = () => {
    if (domain?.state !== "running" || domain.frozen) return;
    write(on, 14, "after the crash");
    writeBoth(on, "rewritten after the crash"); // every scenario's guest has written this one before
  };
  if (meanwhile.startsWith("writes")) writes();
  if (meanwhile === "job ends") {
    for (const job of domain?.jobs ?? []) if (!job.type.startsWith("active")) job.finish();
    if (domain) domain.jobs = domain.jobs.filter((job) => job.type.startsWith("active"));
  }
  let held = await disksOf(on);
  if (meanwhile === "QEMU dies") for (const job of domain?.jobs ?? []) job.lose();
  if (meanwhile.endsWith("stops") || meanwhile === "QEMU dies" || meanwhile === "restarts") await stop(on);
  if (meanwhile === "restarts") {
    await virsh(on, { do: "start", domain: UUID, paused: false }).catch(() => undefined); // a frozen file keeps it off
    if (on.machine.domains.get(UUID)?.live != null) {
      held = await disksOf(on);
      writes();
      held = await disksOf(on);
    }
  }
  return held;
}

/**
 * What libvirtd did not note while it died it does not learn until a stop and a start: until then verbs are refused,
 * and doctor says so.
 */
async function absorbLie(on: Bed, where: string): Promise<void> {
  const lies = (await examine(command(on))).filter(({ problem }) =>
    problem.includes("libvirt's live definition names"),
  );
  if (lies.length === 0) return;
  const refused = createSnapshot(command(on), creation("too-early"));
  await expect(refused, where).rejects.toMatchObject({ code: "integrity" });
  const held = await disksOf(on);
  await stop(on);
  await start(on);
  expect(await disksOf(on), where).toEqual(held);
}

/**
 * The graph is whole, every file is there and none too many, modes and definitions are right, nothing is frozen,
 * nothing is pending.
 */
export async function requireSound(on: Bed, where: string, notes: readonly string[] = []): Promise<void> {
  const state = await stateOf(on);
  const said = `${where}\n${notes.join("\n")}`;
  await requireRebuilt(on, state, said);
  // What earlier states named is no orphan as long as they are kept: a leak is one after them.
  on.disk.copies.splice(0, on.disk.copies.length - 1);
  expect([...on.disk.journal.keys()], said).toEqual([]);
  expect(findings(state), said).toEqual([]);
  const found = await examine(command(on));
  expect(
    found.map(({ subject, problem }) => `${subject}: ${problem}`),
    said,
  ).toEqual([]);
  expect(
    Object.values(state.layers).filter(({ busy }) => busy !== null),
    said,
  ).toEqual([]);
  expect(on.machine.domains.get(UUID)?.frozen, said).toBe(false);
  expect(on.machine.domains.get(UUID)?.jobs, said).toEqual([]);
  expect(on.machine.domains.get(UUID)?.ram, said).not.toBe("torn");
  expect(on.disk.locks.size, said).toBe(0);
  // Snapshots that are taken on the way to a backup or an image, and nobody's afterwards.
  const strays = Object.values(state.snapshots).filter(({ name }) => /^(backup|image)-/.test(name ?? ""));
  expect(strays, said).toEqual([]);
  const halves = [...on.machine.files.keys()].filter((path) =>
    /\.part|\/void\.json$|\/manifest\.next\.json$/.test(path),
  );
  expect(halves, said).toEqual([]);
  const needed = new Set(Object.values(state.layers).map(({ secret }) => secret));
  expect(
    [...on.machine.secrets.keys()].filter((secret) => !needed.has(secret)),
    said,
  ).toEqual([]);
}

/**
 * Where the state and its copies are lost now, all that it says is there again by the records of things. What was
 * killed just after its write, in an operation that needs no journal, was reported to nobody: the next write brings its
 * records.
 */
async function requireRebuilt(on: Bed, state: State, said: string): Promise<void> {
  if (state.writes === undefined) return; // of a version that kept no records, and not stored since
  const lost = copyOf(on);
  await command(lost).store.update(() => undefined);
  lost.disk.state = null;
  lost.disk.copies.splice(0);
  const { store } = command(lost);
  await store.restoreLastGood();
  expect({ ...(await store.read()), writes: state.writes }, said).toEqual(state);
  expect(await store.doubt(), said).toBeNull();
}

async function requireHead(on: Bed, scenario: Scenario, held: Record<string, Content>, where: string): Promise<void> {
  const now = await disksOf(on);
  if (JSON.stringify(now) === JSON.stringify(held)) return;
  if (scenario.forward === undefined || JSON.stringify(now) !== JSON.stringify(scenario.forward)) {
    expect(now, `${where}: what the guest held`).toEqual(held);
  }
  if (scenario.keeps !== true) return;
  const state = await stateOf(on);
  const kept = state.instances[UUID]?.undo;
  expect(await contentsOf(on, kept ?? ""), `${where}: what the revert kept`).toEqual(held);
}

/** A TPM says what the disks of its instant say (writeBoth): the guest's own, and each that a snapshot keeps. */
async function requireTpm(on: Bed, where: string): Promise<void> {
  const place = tpmPlace(on);
  if (place === null) return;
  expect(on.machine.files.get(place)?.text, `${where}: its TPM`).toBe((await disksOf(on)).vda?.[2]);
  for (const { id, name, tpm } of Object.values((await stateOf(on)).snapshots)) {
    const copy = on.machine.files.get(`/fake/estrato/nvram/${tpm}`);
    expect(copy?.text, `${where}: the TPM of ${name}`).toBe((await contentsOf(on, id)).vda?.[2]);
  }
}

/** It runs or can be started, and what it writes changes nothing that was promised. */
async function requireAlive(on: Bed, where: string, wasPaused: boolean): Promise<void> {
  const promised = await promises(on);
  if (wasPaused && on.machine.domains.get(UUID)?.state === "paused") await virsh(on, { do: "resume", domain: UUID });
  await startInstance(command(on), UUID);
  expect(on.machine.domains.get(UUID)?.state, where).toBe("running");
  write(on, 15, "alive");
  expect((await disksOf(on)).vda?.[15], where).toBe("alive");
  for (const [id, content] of promised) expect(await contentsOf(on, id), where).toEqual(content);
}
