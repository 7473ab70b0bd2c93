import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Action } from "../../../src/core/model/action.ts";
import { hostXml } from "../../../src/host/actions/commands.ts";
import { createHost } from "../../../src/host/index.ts";

const host = createHost({ uri: "qemu:///system", env: process.env });
const lines = (action: Action) => host.commandsFor(action).map(({ program, args }) => [program, ...args].join(" "));

test("a new head is shown as the command that makes it", () => {
  const backing = { path: "/l/a.qcow2", format: "qcow2" };
  expect(lines({ do: "create-disk", path: "/l/b.qcow2", backing, sizeBytes: 1024 })).toEqual([
    "qemu-img create -q -f qcow2 -o compat=1.1,cluster_size=65536,lazy_refcounts=off -b /l/a.qcow2 -F qcow2 /l/b.qcow2 1024",
  ]);
});

test("a switch freezes inside the one call, and names each disk that it leaves out", () => {
  const disks = [{ device: "vda", path: "/l/a,b.qcow2" }];
  const [limit, change] = lines({ do: "switch-disks", domain: "u", disks, excluded: ["vdb"], quiesce: true });
  expect(limit).toContain("guest-agent-timeout --domain u --timeout 5");
  expect(change).toContain("--disk-only --atomic --no-metadata --reuse-external --quiesce");
  expect(change).toContain("--diskspec vda,snapshot=external,file=/l/a,,b.qcow2 --diskspec vdb,snapshot=no");
});

test("a merge is shown as it is run", () => {
  expect(lines({ do: "commit", top: "/l/b", topFormat: "qcow2", base: "/l/a" })).toEqual([
    "qemu-img commit -d -f qcow2 -b /l/a /l/b",
  ]);
  expect(lines({ do: "relink", file: "/l/c", backing: { path: "/l/a", format: "raw" } })).toEqual([
    "qemu-img rebase -u -f qcow2 -b /l/a -F raw /l/c",
  ]);
  expect(lines({ do: "block-commit-active", domain: "u", device: "vda", base: "/l/a" })).toEqual([
    "virsh -q -c qemu:///system blockcommit u vda --active --base /l/a",
    "virsh -q -c qemu:///system blockjob u vda --pivot",
  ]);
});

test("a path that QEMU could take for a protocol is never passed on", () => {
  for (const path of ["nbd:localhost", "json:{}", "-U", "relative"]) {
    expect(() => lines({ do: "resize-disk", path, format: "raw", sizeBytes: 1 })).toThrow("not an absolute path");
  }
});

test("a name goes into a reservation only where DNS allows it", () => {
  const reservation = { mac: "52:54:00:00:00:01", ip: "192.168.122.9" };
  expect(hostXml({ ...reservation, name: "web-1" })).toBe(
    "<host mac='52:54:00:00:00:01' name='web-1' ip='192.168.122.9'/>",
  );
  for (const name of ["", "a,b", "a'b", "ü", "-a"]) expect(hostXml({ ...reservation, name })).not.toContain("name=");
});

test("a seed is what cloud-init looks for, and readable by nobody else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
  const path = join(folder, "seed.iso");
  const [metaData, userData] = ["instance-id: i-1\n", "#cloud-config\n"];
  await host.perform({ do: "create-seed", path, metaData, userData, networkConfig: null });
  expect(readFileSync(path).toString("latin1", 32808, 32814)).toBe("cidata"); // ECMA-119, 8.4.7
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const extracted = join(folder, "user-data");
  const extract = ["-osirrox", "on", "-indev", path, "-extract", "/user-data", extracted];
  execFileSync("xorriso", extract, { stdio: "ignore" });
  expect(readFileSync(extracted, "utf8")).toBe(userData);
  rmSync(folder, { recursive: true });
});
