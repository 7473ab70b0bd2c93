/** The crash suite: kills a command at every point, lets things happen, runs the next command, and looks at all that was promised. */
import { expect } from "vitest";
import { examine, repair } from "../../../src/core/doctor/doctor.ts";
import { findings } from "../../../src/core/graph/invariants.ts";
import { startInstance } from "../../../src/core/instances/start.ts";
import { collect } from "../../../src/core/layers/collect.ts";
import type { Action } from "../../../src/core/model/action.ts";
import { recoverAll } from "../../../src/core/recovery.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import type { Content } from "../../fake/host.ts";
import { Crash } from "../../fake/store.ts";
import {
  type Bed,
  backupsOf,
  type CrashPoint,
  command,
  contentsOf,
  copyOf,
  creation,
  disksOf,
  type Process,
  start,
  stateOf,
  stop,
  tpmPlace,
  UUID,
  virsh,
  write,
  writeBoth,
} from "./world.ts";

/** A command to be killed. */
export interface Scenario {
  prepare(): Promise<Bed>;
  run(world: Process): Promise<unknown>;
  /** What it must have done, so that no scenario passes for another. */
  readonly does?: readonly Action["do"][];
  /** What the guest may hold afterwards besides what it held last: what it is reverted to. */
  readonly forward?: Record<string, Content>;
  /** Where it went forward, what it held must be in an automatic snapshot. */
  readonly keeps?: boolean;
  /** Not all of the happenings: where the ways of the guest are those of another scenario. */
  readonly meanwhile?: readonly Meanwhile[];
}

/** What happens between the death of a command and the next one. */
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

/** Kills the command at each point in turn, with each of the happenings after it; returns how many cases there were. */
export async function killEverywhere(scenario: Scenario): Promise<number> {
  const prepared = await scenario.prepare();
  const whole = command(copyOf(prepared));
  await scenario.run(whole);
  expect(whole.host.performed.map((action) => action.do)).toEqual(expect.arrayContaining([...(scenario.does ?? [])]));
  const points = crashPoints(whole);
  let cases = 0;
  for (const [place, crash] of points.entries()) {
    for (const [index, meanwhile] of (scenario.meanwhile ?? MEANWHILE).entries()) {
      // Events of steps lie just beside writes and actions: two of the happenings are enough there.
      if (crash.at === "step" && meanwhile !== "nothing" && meanwhile !== "writes and stops") continue;
      const next = (place + index) % 2 === 0 ? "command" : "repair";
      await killOnce(scenario, copyOf(prepared), crash, meanwhile, next, describePoint(whole, crash));
      cases += 1;
    }
  }
  return cases;
}

/** Where a command that has run to its end could have died. */
export function crashPoints(whole: Process): CrashPoint[] {
  return [
    ...whole.store.writes.flatMap((_, index) =>
      (["before", "after"] as const).map((phase): CrashPoint => ({ at: "write", index, phase })),
    ),
    ...whole.host.performed.flatMap((_, index) =>
      (["before", "midway", "after"] as const).map((phase): CrashPoint => ({ at: "action", index, phase })),
    ),
    ...whole.steps.map((_, index): CrashPoint => ({ at: "step", index })),
  ];
}

export function describePoint(whole: Process, point: CrashPoint): string {
  if (point.at === "step") return `at step event "${whole.steps[point.index]}"`;
  const what =
    point.at === "write" ? whole.store.writes[point.index] : JSON.stringify(whole.host.performed[point.index]);
  return `${point.phase} ${point.at} ${point.index} ${what}`;
}

async function killOnce(
  scenario: Scenario,
  on: Bed,
  crash: CrashPoint,
  meanwhile: Meanwhile,
  next: "command" | "repair",
  point: string,
): Promise<void> {
  const promised = await promises(on);
  const wasPaused = on.machine.domains.get(UUID)?.state === "paused";
  await scenario.run(command(on, { crash })).catch((error: unknown) => {
    if (!(error instanceof Crash)) throw error;
  });
  const where = `killed ${point}; then: ${meanwhile}; next: ${next}`;
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
  await requireAlive(on, where, wasPaused);
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

/** What libvirtd did not note while it died it does not learn until a stop and a start: until then verbs are refused, and doctor says so. */
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

/** The graph is whole, every file is there and none too many, modes and definitions are right, nothing is frozen, nothing is pending. */
export async function requireSound(on: Bed, where: string, notes: readonly string[] = []): Promise<void> {
  const state = await stateOf(on);
  const said = `${where}\n${notes.join("\n")}`;
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
