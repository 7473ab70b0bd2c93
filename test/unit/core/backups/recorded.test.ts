/**
 * Journal entries as they were written before targets had an interface: a target and what is being taken in it, by
 * absolute paths.
 */
import { expect, test } from "vitest";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { type Bed, backupsOf, command, contentsOf, stateOf, TARGET, UUID, write } from "../world.ts";
import { night, withTarget } from "./world.ts";

const ID = "bak-0123456789abcdef0";
const STORE = "11111111-2222-4333-8444-555555555555";

function left(on: Bed, kind: string, locks: readonly string[], data: unknown): Promise<void> {
  const createdAt = "2026-11-20T03:00:00.000Z";
  return command(on).store.journal.open({
    id: "op-0123456789abcdef0",
    kind,
    version: 1,
    locks,
    createdAt,
    command: "estrato backup",
    data,
  });
}

test("a backup that was being taken is undone", async () => {
  const on = await withTarget();
  const { id } = await night(on);
  const part = `${TARGET}/${ID}.${STORE}.part`;
  await command(on).host.perform({ do: "make-folder", path: part });
  command(on).host.addFile(`${part}/vda.qcow2`, { format: "qcow2", content: { 0: "half" } });
  await left(on, "backup.create", [UUID, TARGET], {
    id: ID,
    target: TARGET,
    part,
    through: { instance: UUID, snapshot: `backup-${ID}` },
    secret: null,
    content: {
      name: null,
      type: "daily",
      instance: { id: UUID, name: "web1", vcpus: 1, ramBytes: 536870912, flavor: null, keyName: null },
      owner: "ana",
      compressed: false,
    },
  });
  await recoverAll(command(on));
  expect([on.disk.journal.size, on.machine.folders.has(part), backupsOf(on)]).toEqual([0, false, [id]]);
  expect([...on.machine.files.keys()].filter((path) => path.startsWith(part))).toEqual([]);
});

test("a backup that was being deleted goes, and what stands on it is merged", async () => {
  const on = await withTarget();
  const first = await night(on);
  write(on, 2, "one");
  const second = await night(on);
  const before = await contentsOf(on, second.id);
  const { targets } = await stateOf(on);
  const text = `${JSON.stringify({ format: 1, id: first.id, child: second.id, devices: ["vda"] })}\n`;
  await command(on).host.perform({ do: "write-file", path: `${TARGET}/${first.id}/void.json`, text });
  await left(on, "backup.delete", [TARGET], {
    id: first.id,
    target: TARGET,
    marker: targets[TARGET],
    child: second.id,
    devices: ["vda"],
    secret: null,
  });
  await recoverAll(command(on));
  expect([on.disk.journal.size, backupsOf(on)]).toEqual([0, [second.id]]);
  expect(await contentsOf(on, second.id)).toEqual(before);
  expect(await verifyAll(command(on), TARGET)).toMatchObject([{ id: second.id, status: "ok" }]);
});
