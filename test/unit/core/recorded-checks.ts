/** What must hold once a program has gone on with what an older one left. */
import { expect } from "vitest";
import { examine } from "../../../src/core/doctor/doctor.ts";
import { findings } from "../../../src/core/graph/invariants.ts";
import { startInstance } from "../../../src/core/instances/start.ts";
import { collect } from "../../../src/core/layers/collect.ts";
import { recoverAll } from "../../../src/core/operations/recovery.ts";
import type { Content } from "../../fake/host.ts";
import { type Contents, type Recorded, readAll } from "./recorded.ts";
import { type Bed, command, stateOf, virsh } from "./world.ts";

/** Those that put something else on a guest's disks: what they held is then kept. */
const REPLACES = /^snapshot\.revert|^backup\.restore$/;

export async function recoverRecorded(on: Bed, { disk, before }: Pick<Recorded, "disk" | "before">): Promise<void> {
  const world = command(on);
  await recoverAll(world);
  await collect(world);
  const said = world.notes.join("\n");
  expect([...on.disk.journal.keys()], said).toEqual([]);
  await requireWhole(on, said);
  requireSame(
    before,
    await readAll(on),
    disk.journal.some(({ kind }) => REPLACES.test(kind)),
  );
  await requireAlive(on);
}

/** The graph, the files, libvirt and the crontab say the same, and nothing is left over. */
async function requireWhole(on: Bed, said: string): Promise<void> {
  const state = await stateOf(on);
  expect(findings(state), said).toEqual([]);
  const found = await examine(command(on));
  expect(
    found.map(({ subject, problem }) => `${subject}: ${problem}`),
    said,
  ).toEqual([]);
  expect(on.disk.locks.size, said).toBe(0);
  for (const { frozen, jobs, ram } of on.machine.domains.values())
    expect([frozen, jobs, ram === "torn"], said).toEqual([false, [], false]);
  const halves = [...on.machine.files.keys()].filter((path) =>
    /\.part|\/\.estrato-|\/void\.json$|\/manifest\.next\.json$/.test(path),
  );
  expect(halves, said).toEqual([]);
  const needed = Object.values(state.layers).flatMap(({ secret }) => secret ?? []);
  expect([...on.machine.secrets.keys()].sort(), said).toEqual([...new Set(needed)].sort());
}

/** What is still there reads as before; a disk may hold what a revert has brought, and then what it held is kept. */
function requireSame(before: Contents, now: Contents, mayReplace: boolean): void {
  for (const [id, disks] of common(before.kept, now.kept)) expect(now.kept[id], id).toEqual(disks);
  const contents = (kept: Contents["kept"]) => Object.values(kept).flatMap((disks) => Object.values(disks));
  const [held, holds] = [disksIn(before), disksIn(now)];
  for (const [disk, content] of common(held, holds)) {
    if (mayReplace && JSON.stringify(holds[disk]) !== JSON.stringify(content)) {
      expect(contents(before.kept), disk).toContainEqual(holds[disk]);
      expect(contents(now.kept), disk).toContainEqual(content);
    } else expect(holds[disk], disk).toEqual(content);
  }
}

function disksIn({ guests, volumes }: Contents): Record<string, Content> {
  const disks = Object.entries(guests).flatMap(([uuid, all]) =>
    Object.entries(all).map(([device, content]) => [`${uuid} ${device}`, content] as const),
  );
  return { ...Object.fromEntries(disks), ...volumes };
}

function common<T>(old: Readonly<Record<string, T>>, now: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(old).filter(([key]) => key in now);
}

/** Each instance that has a domain runs or can be started, and what it writes changes nothing that is kept. */
async function requireAlive(on: Bed): Promise<void> {
  const before = await readAll(on);
  for (const { id, shelved } of Object.values((await stateOf(on)).instances)) {
    if (shelved !== null) continue;
    if (on.machine.domains.get(id)?.state === "paused") await virsh(on, { do: "resume", domain: id });
    await startInstance(command(on), id);
    expect(on.machine.domains.get(id)?.state, id).toBe("running");
    command(on).host.guestWrite(id, "vda", 7, "alive");
  }
  expect((await readAll(on)).kept).toEqual(before.kept);
}
