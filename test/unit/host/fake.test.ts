import { expect, test } from "vitest";
import { EstratoError } from "../../../src/errors.ts";
import { fakeHost } from "../../fake/host.ts";
import { Crash } from "../../fake/store.ts";

function hostWithGuest() {
  const host = fakeHost();
  host.addFile("/disks/base.qcow2", { content: { 0: "boot" } });
  const uuid = host.addDomain({
    name: "web1",
    disks: [{ device: "vda", path: "/disks/base.qcow2", format: "qcow2" }],
  });
  return { host, uuid };
}

const head = (path: string, backing: string) =>
  ({ do: "create-disk", path, backing: { path: backing, format: "qcow2" }, sizeBytes: 16 * 65536 }) as const;

test("what a guest writes after a switch is in the new head alone", async () => {
  const { host, uuid } = hostWithGuest();
  await host.perform(head("/disks/head.qcow2", "/disks/base.qcow2"));
  await host.perform({
    do: "switch-disks",
    domain: uuid,
    disks: [{ device: "vda", path: "/disks/head.qcow2" }],
    excluded: [],
    quiesce: true,
  });
  host.guestWrite(uuid, "vda", 3, "new");
  expect(host.read("/disks/base.qcow2")).toEqual({ 0: "boot" });
  expect(host.guestRead(uuid, "vda")).toEqual({ 0: "boot", 3: "new" });
});

test("a commit killed in the middle leaves the lower file void, and the layer above reads as before", async () => {
  const { host } = hostWithGuest();
  host.addFile("/a", { content: { 1: "old", 2: "old" } });
  host.addFile("/b", { content: { 1: "new", 2: "new" }, backing: { path: "/a", format: "qcow2" } });
  host.crashAtNext("commit", "midway");
  const commit = { do: "commit", top: "/b", topFormat: "qcow2", base: "/a" } as const;
  await expect(host.perform(commit)).rejects.toThrow(Crash);
  expect(host.read("/b")).toEqual({ 1: "new", 2: "new" });
  expect(host.read("/a")).toEqual({ 1: "new", 2: "old" });
  const next = fakeHost({ machine: host.machine });
  await next.perform(commit);
  expect(next.read("/a")).toEqual({ 1: "new", 2: "new" });
});

test("nothing answers after a crash", async () => {
  const { host } = hostWithGuest();
  host.crash();
  await expect(host.listDomains()).rejects.toThrow(Crash);
});

test("a failure that was asked for does nothing", async () => {
  const { host, uuid } = hostWithGuest();
  host.failNext("suspend", new EstratoError("failed", "virsh suspend: no"));
  await expect(host.perform({ do: "suspend", domain: uuid })).rejects.toThrow("virsh suspend: no");
  expect((await host.domainStatus(uuid))?.state).toBe("running");
  await host.perform({ do: "suspend", domain: uuid });
  expect((await host.domainStatus(uuid))?.state).toBe("paused");
});

test("unlinking a file under a running guest is an error of the test", async () => {
  const { host } = hostWithGuest();
  await expect(host.perform({ do: "unlink", path: "/disks/base.qcow2" })).rejects.toThrow("has it open");
});

test("a switch that libvirt never noted shows in QEMU alone", async () => {
  const { host, uuid } = hostWithGuest();
  await host.perform(head("/disks/head.qcow2", "/disks/base.qcow2"));
  host.crashAtNext("switch-disks", "midway");
  const disks = [{ device: "vda", path: "/disks/head.qcow2" }];
  const change = { do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: true } as const;
  await expect(host.perform(change)).rejects.toThrow(Crash);
  const next = fakeHost({ machine: host.machine });
  expect((await next.qemuDisks(uuid))[0]?.chain[0]).toBe("/disks/head.qcow2");
  expect((await next.domainStatus(uuid))?.live?.disks[0]?.source).toBe("/disks/base.qcow2");
  expect(await next.agentFreezeStatus(uuid)).toBe("frozen");
});

test("a definition with a stale chain does not start", async () => {
  const { host, uuid } = hostWithGuest();
  for (const [path, backing] of [
    ["/disks/h1.qcow2", "/disks/base.qcow2"],
    ["/disks/h2.qcow2", "/disks/h1.qcow2"],
  ] as const) {
    await host.perform(head(path, backing));
    const disks = [{ device: "vda", path }];
    await host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: false });
  }
  await host.perform({ do: "destroy", domain: uuid });
  await host.perform({
    do: "rebase",
    file: "/disks/h2.qcow2",
    backing: { path: "/disks/base.qcow2", format: "qcow2" },
  });
  await expect(host.perform({ do: "start", domain: uuid, paused: false })).rejects.toThrow("stale <backingStore>");
  await host.perform({
    do: "redefine",
    domain: uuid,
    disks: [{ device: "vda", path: "/disks/h2.qcow2", format: "qcow2" }],
  });
  await host.perform({ do: "start", domain: uuid, paused: false });
  expect((await host.qemuDisks(uuid))[0]?.chain).toEqual(["/disks/h2.qcow2", "/disks/base.qcow2"]);
});
