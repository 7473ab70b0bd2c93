/** Domains as a whole: their definitions and their life. */
import { expect, test } from "vitest";
import type { DomainMark } from "../../src/core/model/host.ts";
import { addHead, defineGuest, type Rig, startGuest } from "./rig.ts";

export function domainContract(current: () => Rig): void {
  test("the marks of stores lie side by side in both definitions, and each goes by itself", async () => {
    const { host } = current();
    const uuid = await startGuest(current(), { vda: await current().addImage("disk") });
    const marks = ["one", "two"].map((store) => ({
      ...{ store, machine: "m-1", machineName: "alpha", home: `/srv/the "${store}" & only` },
    }));
    const [one, two] = marks as [DomainMark, DomainMark];
    const marked = async () => {
      const status = await host.domainStatus(uuid);
      const sorted = (found: readonly DomainMark[] = []) => found.toSorted((a, b) => a.store.localeCompare(b.store));
      return [status?.inactive, status?.live].map((definition) => definition && sorted(definition.marks));
    };
    const set = (mark: DomainMark, on: boolean, domain = uuid) => host.perform({ do: "mark-domain", domain, mark, on });
    for (const mark of [one, two, two]) await set(mark, true);
    expect(await marked()).toEqual([marks, marks]);
    await set({ ...two, home: "/moved" }, true);
    await set(one, false);
    await set(one, false);
    expect(await marked()).toEqual([[{ ...two, home: "/moved" }], [{ ...two, home: "/moved" }]]);
    await host.perform({ do: "destroy", domain: uuid });
    await set(one, true);
    expect((await marked())[0]).toEqual([one, { ...two, home: "/moved" }]);
    const xml = (await host.domainStatus(uuid))?.inactive.xml ?? "";
    expect(host.parseDefinition(host.editDefinition(xml, { dropMarks: true })).marks).toEqual([]);
    const edited = host.editDefinition(xml, { dropMarks: true, mark: one });
    await host.perform({ do: "define", xml: edited });
    expect((await marked())[0]).toEqual([one]);
    const clone = "00000000-0000-4000-8000-0000000000ff";
    expect(host.parseDefinition(host.editDefinition(xml, { uuid: clone })).marks).toEqual([]);
    await set(one, false, clone);
    await expect(set(one, true, clone)).rejects.toMatchObject({ code: "failed" });
  });

  test("what a machine can have here is more than a small one has, and less than none has", async () => {
    const rig = current();
    const uuid = await defineGuest(rig, { vda: await rig.addImage("disk") });
    const { vcpus, ramBytes } = await rig.host.machineLimits((await rig.host.domainStatus(uuid))?.inactive.xml ?? "");
    expect(vcpus).toBeGreaterThan(1);
    expect(vcpus).toBeLessThan(100_000);
    expect(ramBytes ?? 2 ** 40).toBeGreaterThan(64 * 2 ** 20); // a kernel may be told to refuse nothing
    expect(ramBytes ?? 2 ** 40).toBeLessThan(2 ** 50);
  });

  test("a domain is listed with its state, and known by UUID and by name", async () => {
    const rig = current();
    const uuid = await defineGuest(rig, { vda: await rig.addImage("disk") });
    const [domain] = await rig.host.listDomains();
    expect(domain).toMatchObject({ uuid, state: "shutoff" });
    const status = await rig.host.domainStatus(domain?.name ?? "");
    expect(status).toMatchObject({ uuid, persistent: true, autostart: false, managedSave: false, live: null });
    expect(status?.inactive).toMatchObject({ vcpus: 1, ramBytes: 64 * 2 ** 20, agentChannel: true, nvram: null });
    expect([status?.jobs, status?.snapshots, status?.checkpoints]).toEqual([[], [], []]);
    expect(await rig.host.domainStatus("nobody")).toBeNull();
    expect(await rig.host.domainStatus("7")).toBeNull();
    expect(await rig.host.domainStatus("00000000-0000-0000-0000-000000000000")).toBeNull();
  });

  test("no name is read as a command, though one of its lines would be one", async () => {
    const { host, addImage } = current();
    const uuid = await defineGuest(current(), { vda: await addImage("disk") });
    for (const name of [`x\nundefine ${uuid}\n`, `x'\nundefine ${uuid}\n'`]) {
      expect(await host.domainStatus(name)).toBeNull();
      expect(await host.network(name)).toBeNull();
      expect([...(await host.domainStatuses([name])).keys()]).toEqual([]);
    }
    expect((await host.domainStatus(uuid))?.uuid).toBe(uuid);
  });

  test("many domains are read at once, and those that are not there are left out", async () => {
    const rig = current();
    const first = await startGuest(rig, { vda: await rig.addImage("one") });
    const second = await defineGuest(rig, { vda: await rig.addImage("two") });
    const all = await rig.host.domainStatuses();
    expect([...all.keys()].sort()).toEqual([first, second].sort());
    expect(all.get(first)?.live?.disks[0]?.source).toBe(`${rig.folder}/one`);
    const some = await rig.host.domainStatuses([second, "nobody"]);
    expect([...some.keys()]).toEqual([second]);
    expect((await rig.host.domainStatuses([])).size).toBe(0);
    const outlines = await rig.host.domainOutlines(() => true);
    expect(outlines.find(({ uuid }) => uuid === first)).toMatchObject({ state: "running", vcpus: 1 });
    const loads = await rig.host.domainLoads();
    expect(loads).toEqual([
      {
        ...{ uuid: first, name: outlines.find(({ uuid }) => uuid === first)?.name, vcpus: 1, ramBytes: 64 * 2 ** 20 },
        ...{ cpuNs: expect.any(Number), usedBytes: expect.toSatisfy((used) => used === null || used >= 0) },
        ...{ readBytes: expect.any(Number), writtenBytes: expect.any(Number) },
        ...{ receivedBytes: expect.any(Number), sentBytes: expect.any(Number) },
      },
    ]);
    expect((await rig.host.domainLoads())[0]?.cpuNs).toBeGreaterThanOrEqual(loads[0]?.cpuNs ?? Number.NaN);
  });

  test("names that differ in the blanks at their ends alone are those of different domains", async () => {
    const rig = current();
    const running = await startGuest(rig, { vda: await rig.addImage("one") });
    const { name, xml } = (await rig.host.domainStatus(running))?.inactive ?? { name: "", xml: "" };
    const states: Record<string, string> = { [name]: "running" };
    for (const [index, other] of [`${name} `, ` ${name}`, "  "].entries()) {
      const uuid = `11111111-0000-4000-8000-00000000000${index}`;
      const disks = { vda: { path: await rig.addImage(`of-${index}`), format: "raw" } };
      await rig.host.perform({ do: "define", xml: rig.host.editDefinition(xml, { name: other, uuid, disks }) });
      states[other] = "shutoff";
    }
    const found = [
      await rig.host.listDomains(),
      await rig.host.domainOutlines(() => true),
      (await rig.host.domainStatuses()).values(),
      (await rig.host.domainStatuses(Object.keys(states))).values(),
    ];
    for (const all of found) {
      expect(Object.fromEntries([...all].map((one) => [one.name, one.state]))).toEqual(states);
    }
    expect((await rig.host.domainLoads()).map((one) => one.name)).toEqual([name]);
    const { uuid = "" } = (await rig.host.domainStatus(`${name} `)) ?? {};
    const rename = () => rig.host.perform({ do: "rename", domain: uuid, name });
    await expect(rename()).rejects.toMatchObject({ code: "failed" });
    await rig.host.perform({ do: "destroy", domain: running });
    await rig.host.perform({ do: "undefine", domain: running, nvram: false });
    await rename();
    expect((await rig.host.domainStatus(uuid))?.name).toBe(name);
  });

  test("a domain's life is a matter of saying it once or twice", async () => {
    const rig = current();
    const uuid = await defineGuest(rig, { vda: await rig.addImage("disk") });
    const life = [
      [{ do: "start", domain: uuid, paused: false }, "running"],
      [{ do: "suspend", domain: uuid }, "paused"],
      [{ do: "resume", domain: uuid }, "running"],
      [{ do: "reboot", domain: uuid, hard: true }, "running"],
      [{ do: "destroy", domain: uuid }, "shutoff"],
      [{ do: "start", domain: uuid, paused: true }, "paused"],
      [{ do: "destroy", domain: uuid }, "shutoff"],
    ] as const;
    for (const [action, state] of life) {
      for (const _ of ["once", "again"]) await rig.host.perform(action);
      expect((await rig.host.domainStatus(uuid))?.state).toBe(state);
    }
    for (const on of [true, true, false]) {
      await rig.host.perform({ do: "autostart", domain: uuid, on });
      expect((await rig.host.domainStatus(uuid))?.autostart).toBe(on);
    }
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "undefine", domain: uuid, nvram: false });
    expect(await rig.host.domainStatus(uuid)).toBeNull();
  });

  test("a guest that does not hear the button is cut off where that was said, and else it is a time-out", async () => {
    const rig = current();
    const uuid = await startGuest(rig, { vda: await rig.addImage("disk") });
    await rig.host.perform({ do: "suspend", domain: uuid });
    const press = { do: "shutdown", domain: uuid, timeoutMs: 100 } as const;
    await expect(rig.host.perform({ ...press, thenDestroy: false })).rejects.toMatchObject({ code: "timeout" });
    expect((await rig.host.domainStatus(uuid))?.state).toBe("paused");
    await rig.host.perform({ ...press, thenDestroy: true });
    await rig.host.perform({ ...press, thenDestroy: false });
    expect((await rig.host.domainStatus(uuid))?.state).toBe("shutoff");
  });

  test("a definition is replaced as a whole, and another domain's name is refused", async () => {
    const rig = current();
    const uuid = await defineGuest(rig, { vda: await rig.addImage("one") });
    const other = await defineGuest(rig, { vda: await rig.addImage("two") });
    const { xml = "" } = (await rig.host.domainStatus(uuid))?.inactive ?? {};
    const larger = rig.host.editDefinition(xml, { ramBytes: 128 * 2 ** 20, vcpus: 2 });
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "define", xml: larger });
    expect((await rig.host.domainStatus(uuid))?.inactive).toMatchObject({ vcpus: 2, ramBytes: 128 * 2 ** 20 });
    const taken = (await rig.host.domainStatus(other))?.name ?? "";
    const clash = rig.host.editDefinition(xml, { name: taken });
    await expect(rig.host.perform({ do: "define", xml: clash })).rejects.toMatchObject({ code: "failed" });
    await rig.host.perform({ do: "rename", domain: uuid, name: "renamed" });
    expect((await rig.host.domainStatus("renamed"))?.uuid).toBe(uuid);
  });

  test("a clone of a definition with a new name, UUID and disks is a domain of its own", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 0: "A" } });
    const first = await startGuest(rig, { vda: await addHead(rig, "one", base) });
    const { xml = "" } = (await rig.host.domainStatus(first))?.live ?? {};
    const uuid = "11111111-0000-4000-8000-000000000001";
    const clone = rig.host.editDefinition(xml, {
      name: "clone",
      uuid,
      disks: { vda: { path: await addHead(rig, "two", base), format: "qcow2" } },
      dropBackingStore: true,
      newGenerationId: true,
      consoleLog: `${rig.folder}/clone.console`,
    });
    await rig.host.perform({ do: "define", xml: clone });
    await rig.host.perform({ do: "start", domain: uuid, paused: false });
    expect((await rig.host.qemuDisks(uuid))[0]?.chain).toEqual([`${rig.folder}/two`, base]);
    expect((await rig.host.domainStatus(first))?.state).toBe("running");
    const defined = async () => (await rig.host.domainStatus(uuid))?.inactive;
    expect((await defined())?.generationId).toBe(true);
    const without = rig.host.editDefinition((await defined())?.xml ?? "", { dropGenerationId: true });
    await rig.host.perform({ do: "define", xml: without });
    expect((await defined())?.generationId).toBe(false);
  });

  test("a running guest that is undefined goes on, and is defined again while it runs", async () => {
    const rig = current();
    const uuid = await startGuest(rig, { vda: await rig.addImage("disk") });
    const { xml = "" } = (await rig.host.domainStatus(uuid))?.inactive ?? {};
    await rig.host.perform({ do: "undefine", domain: uuid, nvram: false });
    expect(await rig.host.domainStatus(uuid)).toMatchObject({ persistent: false, state: "running" });
    await rig.host.perform({ do: "define", xml });
    expect(await rig.host.domainStatus(uuid)).toMatchObject({ persistent: true, state: "running" });
    await rig.host.perform({ do: "destroy", domain: uuid });
    expect((await rig.host.domainStatus(uuid))?.inactive.xml).toBe(xml);
  });

  test("a guest starts neither on a frozen head nor on another guest's", async () => {
    const rig = current();
    const disk = await rig.addImage("disk");
    const first = await defineGuest(rig, { vda: disk });
    const second = await defineGuest(rig, { vda: disk });
    await rig.host.perform({ do: "set-mode", path: disk, mode: 0o400 });
    const start = (domain: string) => rig.host.perform({ do: "start", domain, paused: false });
    await expect(start(first)).rejects.toMatchObject({ code: "failed" });
    await rig.host.perform({ do: "set-mode", path: disk, mode: 0o600 });
    await start(first);
    await expect(start(second)).rejects.toMatchObject({ code: "conflict" });
    expect((await rig.host.domainStatus(second))?.state).toBe("shutoff");
  });

  test("a disk is added to a definition and taken out again", async () => {
    const rig = current();
    const uuid = await defineGuest(rig, { vda: await rig.addImage("one") });
    const { xml = "" } = (await rig.host.domainStatus(uuid))?.inactive ?? {};
    const disk = { device: "vdb", path: await rig.addImage("two"), format: "qcow2", readonly: false, serial: "vol-1" };
    await rig.host.perform({ do: "define", xml: rig.host.editDefinition(xml, { addDisks: [disk] }) });
    await rig.host.perform({ do: "start", domain: uuid, paused: false });
    expect((await rig.host.qemuDisks(uuid)).map(({ device }) => device)).toEqual(["vda", "vdb"]);
    const both = (await rig.host.domainStatus(uuid))?.inactive.xml ?? "";
    await rig.host.perform({ do: "define", xml: rig.host.editDefinition(both, { disks: { vdb: null } }) });
    expect((await rig.host.domainStatus(uuid))?.inactive.disks.map(({ device }) => device)).toEqual(["vda"]);
  });
}
