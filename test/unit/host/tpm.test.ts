import { mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ActionContext } from "../../../src/host/actions/context.ts";
import { performSaveTpm } from "../../../src/host/actions/tpm.ts";
import { editDefinition } from "../../../src/host/domain-edit.ts";
import { newDefinition } from "../../../src/host/domain-new.ts";
import { parseDefinition } from "../../../src/host/domain-xml.ts";
import { SYSTEM_FOLDERS, tpmFolder } from "../../../src/host/libvirt-folders.ts";
import { fakeMachine } from "../../fake/host-machine.ts";

const UUID = "11111111-2222-4333-8444-555555555555";
const SPEC = { name: "web1", uuid: UUID, vcpus: 1, ramBytes: 2 ** 28, disks: [], interfaces: [], consoleLog: "/c" };
const PLAIN = newDefinition(SPEC, fakeMachine().capabilities);
const withBackend = (backend: string) => PLAIN.replace("</devices>", `<tpm model='tpm-crb'>${backend}</tpm></devices>`);

describe("the state of a TPM", () => {
  test.each([
    ["<backend type='emulator' version='2.0'/>", `${tpmFolder(SYSTEM_FOLDERS, UUID)}/tpm2/tpm2-00.permall`],
    ["<backend type='emulator' version='1.2'/>", `${tpmFolder(SYSTEM_FOLDERS, UUID)}/tpm1.2/tpm-00.permall`],
    [
      "<backend type='emulator' version='2.0'><encryption secret='s'/></backend>",
      `${tpmFolder(SYSTEM_FOLDERS, UUID)}/tpm2/tpm2-00.permall`,
    ],
    ["<backend type='emulator' version='2.0'><source type='dir' path='/t'/></backend>", "/t/tpm2-00.permall"],
    ["<backend type='emulator' version='2.0'><source type='file' path='/t/state'/></backend>", "/t/state"],
    ["<backend type='passthrough'><device path='/dev/tpm0'/></backend>", null],
  ])("of %s is %s", (backend, path) => {
    expect(parseDefinition(withBackend(backend)).tpm).toBe(path);
  });

  test("is none where there is no TPM", () => {
    expect(parseDefinition(PLAIN).tpm).toBeNull();
  });

  test("is not shared by an instance that inherits the definition", () => {
    const xml = withBackend("<backend type='emulator' version='2.0'><source type='file' path='/t/state'/></backend>");
    expect(parseDefinition(editDefinition(xml, { ownTpm: true })).tpm).toContain(UUID);
  });
});

test("a new definition with UEFI names its variables, and no other does", () => {
  const uefi = parseDefinition(newDefinition({ ...SPEC, nvram: "/l/a'b.fd" }, fakeMachine().capabilities));
  expect(uefi).toMatchObject({ firmware: true, nvram: "/l/a'b.fd" });
  expect(parseDefinition(PLAIN)).toMatchObject({ firmware: false, nvram: null });
});

describe("a copy", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "estrato-tpm-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("is not made of what a link leads to, for swtpm's user could have put it there", async () => {
    await writeFile(join(folder, "secret"), "of the host");
    await symlink(join(folder, "secret"), join(folder, "state"));
    const action = { do: "save-tpm", from: join(folder, "state"), to: join(folder, "copy") } as const;
    await expect(performSaveTpm({} as ActionContext, action)).rejects.toThrow("ELOOP");
    expect(await readdir(folder)).toEqual(["secret", "state"]);
  });

  test("is not made of what is another at each reading: it may be written in place just now", async () => {
    const action = { do: "save-tpm", from: "/proc/sys/kernel/random/uuid", to: join(folder, "copy") } as const;
    await expect(performSaveTpm({} as ActionContext, action)).rejects.toMatchObject({ code: "failed" });
    expect(await readdir(folder)).toEqual([]);
  });
});
