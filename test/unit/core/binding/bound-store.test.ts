import { expect, test } from "vitest";
import { boundStore } from "../../../../src/core/binding/bound-store.ts";
import type { Binding, State } from "../../../../src/core/model/state.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { emptyState } from "../../../../src/store/empty-state.ts";
import { type FakeDisk, fakeDisk, fakeStore } from "../../../fake/store.ts";
import { journalEntry } from "../../store/samples.ts";

const HERE: Binding = {
  ...{ machine: "a".repeat(32), machineName: "alpha", uri: "qemu:///system", user: null },
  home: "/fake/estrato",
};
const THERE: Binding = { ...HERE, machine: "b".repeat(32), machineName: "beta" };
const UUID = "11111111-2222-4333-8444-555555555555";

interface How {
  readonly here?: Binding;
  /** Null: libvirt does not answer. */
  readonly domains?: readonly string[] | null;
  readonly dryRun?: boolean;
  readonly takenOver?: boolean;
}

function opened(disk: FakeDisk, { here = HERE, domains = [], dryRun = false, takenOver = false }: How = {}) {
  return boundStore(fakeStore({ disk }), {
    here,
    host: async () => ({
      async listDomains() {
        if (domains === null) throw new EstratoError("host", "virsh: no answer");
        return domains.map((uuid) => ({ uuid, name: "web1", state: "running", id: null }) as never);
      },
    }),
    dryRun,
    takenOver: () => takenOver,
  });
}

function stored(binding: Binding | null, change: (state: State) => void = () => {}): FakeDisk {
  const state = emptyState();
  state.binding = binding;
  change(state);
  return fakeDisk(state);
}

function withInstance(state: State): void {
  state.instances[UUID] = {
    ...{ id: UUID, name: "web1", origin: "adopted", image: null, flavor: null, keyName: null, owner: "ana" },
    ...{ createdAt: "2025-01-01T00:00:00.000Z", properties: {}, current: null, undo: null, addresses: [] },
    ...{ seed: null, shelved: null },
  } as State["instances"][string];
}

const bindingOn = (disk: FakeDisk) => fakeStore({ disk }).binding();

test("a store that is another machine's is not even opened, and the line says whose it is", async () => {
  await expect(opened(stored(THERE))).rejects.toMatchObject({
    code: "host",
    message:
      "/fake/estrato: this store is bound to qemu:///system on beta (machine bbbbbbbb), " +
      "and was asked for with qemu:///system on alpha (machine aaaaaaaa)",
    hint: expect.stringContaining("doctor --take-over"),
  });
});

test.each([
  [{ uri: "qemu:///session", user: 1000 }, {}, "Run it as user 1000, with --connect qemu:///session;"],
  [{ uri: "qemu:///session", user: 1000 }, { uri: "qemu:///session", user: 1001 }, "Run it as user 1000;"],
  [{}, { uri: "test:///default" }, "Name its libvirt (--connect qemu:///system),"],
  [{ machine: "c".repeat(32) }, {}, "Use it there,"],
  [{}, { machine: "name:alpha" }, "Give this machine its id again:"],
  [{}, { machine: "name:omega", machineName: "omega" }, "Use it there,"],
])("the hint leads to it: a store of %o, asked for with %o", async (binding, here, hint) => {
  await expect(opened(stored({ ...HERE, ...binding }), { here: { ...HERE, ...here } })).rejects.toMatchObject({
    hint: expect.stringContaining(hint),
  });
});

test.each([
  { ...HERE, uri: "qemu:///session", user: 1000 },
  { ...HERE, machine: "c".repeat(32) }, // a clone keeps its name
])("a store of %o is refused as well", async (binding) => {
  await expect(opened(stored(binding))).rejects.toMatchObject({ code: "host" });
});

test("a machine that gets another name stays the same", async () => {
  const store = await opened(stored({ ...HERE, machineName: "omega" }));
  await store.update((draft) => void delete draft.flavors.tiny);
  expect((await store.read()).flavors.tiny).toBeUndefined();
});

test("where the state is damaged, its newest good copy says whose it is", async () => {
  const disk = stored(THERE);
  disk.state = "{ half";
  await expect(opened(disk)).rejects.toMatchObject({ code: "host" });
});

test("who only reads binds nothing, and the first change does, in the same writing", async () => {
  const disk = stored(null);
  const store = await opened(disk);
  await store.read();
  await store.journal.list();
  await store.listRecords();
  expect(await bindingOn(disk)).toBeNull();
  await store.update((draft) => void delete draft.flavors.tiny);
  expect(await bindingOn(disk)).toEqual(HERE);
  expect(disk.copies).toHaveLength(2);
});

test.each<[string, (store: Awaited<ReturnType<typeof opened>>) => Promise<unknown>]>([
  ["a journal entry", (store) => store.journal.open(journalEntry("op-0000000000000000a"))],
  ["a record", (store) => store.writeRecord("one.xml", "<domain/>")],
  ["a lock", (store) => store.lock(["one"], 0)],
])("%s comes after the binding: whoever finds it knows whose it is", async (_what, write) => {
  const disk = stored(null);
  await write(await opened(disk));
  expect(await bindingOn(disk)).toEqual(HERE);
});

test("a lock makes no store, nor does a dry run bind one", async () => {
  const missing = { ...fakeDisk(), isMade: false };
  await (await opened(missing)).lock(["one"], 0);
  expect(missing.isMade).toBe(false);
  const disk = stored(null);
  await (await opened(disk, { dryRun: true })).lock(["one"], 0);
  expect(await bindingOn(disk)).toBeNull();
});

test("of two first uses the second is refused, even where both have found it nobody's", async () => {
  const disk = stored(null);
  const [one, other] = [await opened(disk), await opened(disk, { here: THERE })];
  await one.update((draft) => void delete draft.flavors.tiny);
  await expect(other.update((draft) => void delete draft.flavors.small)).rejects.toMatchObject({ code: "host" });
  await expect(other.journal.open(journalEntry("op-0000000000000000a"))).rejects.toMatchObject({ code: "host" });
  expect((await fakeStore({ disk }).read()).flavors.small).toBeDefined();
  expect(disk.journal.size).toBe(0);
});

test("a store of before there were bindings is not bound to a libvirt that knows none of its instances", async () => {
  const disk = stored(null, withInstance);
  const store = await opened(disk, { domains: ["99999999-2222-4333-8444-555555555555"] });
  await expect(store.lock([UUID], 0)).rejects.toMatchObject({
    code: "host",
    message: expect.stringContaining("qemu:///system knows none of its 1 instance"),
  });
  expect(await bindingOn(disk)).toBeNull();
  await (await opened(disk, { domains: [UUID] })).lock([UUID], 0);
  expect(await bindingOn(disk)).toEqual(HERE);
});

test("nothing is concluded from a libvirt that does not answer: it stays nobody's", async () => {
  const disk = stored(null, withInstance);
  const store = await opened(disk, { domains: null });
  await store.update((draft) => void delete draft.flavors.tiny);
  expect(await bindingOn(disk)).toBeNull();
  expect((await fakeStore({ disk }).read()).flavors.tiny).toBeUndefined();
});

test("a damaged state can be locked for who mends it, and taken over then", async () => {
  const disk = stored(THERE);
  disk.state = "{ half";
  const store = await opened(disk, { takenOver: true });
  await (await store.lock(["one"], 0)).release();
  await store.restoreLastGood();
  await store.update(() => undefined);
  expect(await bindingOn(disk)).toEqual(HERE);
});
