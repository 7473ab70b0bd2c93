/** The guest agent: answering, silent, frozen. */
import { expect, test } from "vitest";
import { addHead, chainOf, type Rig, startGuest } from "./rig.ts";

export function agentContract(current: () => Rig): void {
  test("a guest without an agent is silent, and a quiesced switch of it is refused", async () => {
    const rig = current();
    const base = await rig.addImage("base");
    const uuid = await startGuest(rig, { vda: base });
    await rig.silence?.(uuid);
    expect(await rig.host.agentPing(uuid, 1000)).toBe(false);
    expect(await rig.host.agentFreezeStatus(uuid)).toBeNull();
    expect(await rig.host.agentAddresses(uuid)).toBeNull();
    expect(await rig.host.agentCommand(uuid, { execute: "guest-info" }, 1000)).toMatchObject({ refused: "silent" });
    await rig.host.perform({ do: "thaw", domain: uuid });
    const disks = [{ device: "vda", path: await addHead(rig, "head", base) }];
    await expect(
      rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: true }),
    ).rejects.toMatchObject({ code: "failed" });
    expect(await chainOf(rig, uuid)).toEqual(["base"]);
  });

  test("a guest with an agent answers, is quiesced within a switch and thawed after it", async () => {
    const rig = current();
    const uuid = await rig.bootedGuest("booted");
    expect(await rig.host.agentPing(uuid, 5000)).toBe(true);
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("thawed");
    expect(await rig.host.agentAddresses(uuid)).toBeInstanceOf(Array);
    const [disk] = await rig.host.qemuDisks(uuid);
    const base = disk?.chain[0] ?? "";
    const sizeBytes = disk?.sizeBytes ?? 0;
    const path = `${rig.folder}/head`;
    await rig.host.perform({ do: "create-disk", path, backing: { path: base, format: "qcow2" }, sizeBytes });
    const disks = [{ device: "vda", path }];
    await rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: true });
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("thawed");
    expect((await rig.host.qemuDisks(uuid))[0]?.chain.slice(0, 2)).toEqual([path, base]);
    const data = { device: "vdb", path: await rig.addImage("data"), format: "qcow2", readonly: false, serial: null };
    await rig.host.perform({ do: "attach-disk", domain: uuid, disk: data });
    const detach = { do: "detach-disk", domain: uuid, device: "vdb", timeoutMs: 30_000 } as const;
    for (const _ of ["once", "again"]) await rig.host.perform(detach);
    expect((await rig.host.qemuDisks(uuid)).map(({ device }) => device)).toEqual(["vda"]);
    expect((await rig.host.imageInfo(data.path))?.format).toBe("qcow2"); // nobody holds it
    await movesFiles(rig, uuid);
    await runsPrograms(rig, uuid);
    await rig.freeze(uuid);
    expect(await rig.host.agentCommand(uuid, EXEC, 5000)).toMatchObject({ refused: "disabled" });
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("frozen");
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "thaw", domain: uuid });
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("thawed");
    await rig.host.perform({ do: "shutdown", domain: uuid, timeoutMs: 60_000, thenDestroy: false });
    expect((await rig.host.domainStatus(uuid))?.state).toBe("shutoff");
    expect(await rig.host.agentCommand(uuid, EXEC, 1000)).toMatchObject({ refused: "off" });
  });
}

const EXEC = { execute: "guest-exec", arguments: { path: "/bin/sh", arg: ["-c", "exit 3"] } };

async function asked(rig: Rig, uuid: string, execute: string, args: Readonly<Record<string, unknown>> = {}) {
  const answer = await rig.host.agentCommand(uuid, { execute, arguments: args }, 30_000);
  if (answer.refused !== null) throw new Error(`${execute}: ${answer.refused}: ${answer.words}`);
  return answer.value as Record<string, unknown>;
}

/** As large a piece as is ever written, and its end behind which more can be read. */
async function movesFiles(rig: Rig, uuid: string): Promise<void> {
  const path = `/tmp/estrato-contract.${process.pid}`;
  const open = (mode: string) => asked(rig, uuid, "guest-file-open", { path, mode });
  const bytes = Buffer.alloc(96_000, "0123456789abcdef!");
  expect(
    await rig.host.agentCommand(uuid, { execute: "guest-file-open", arguments: { path, mode: "r" } }, 5000),
  ).toEqual({ refused: "failed", words: expect.stringContaining("No such file") });
  await ran(rig, uuid, [': >"$1"', path]);
  const [writer, reader] = [await open("r+"), await open("r")];
  for (const at of [0, 96_000]) {
    const seek = { handle: writer, offset: at, whence: 0 };
    expect(await asked(rig, uuid, "guest-file-seek", seek)).toMatchObject({ position: at });
    const write = { handle: writer, "buf-b64": bytes.toString("base64") };
    expect(await asked(rig, uuid, "guest-file-write", write)).toMatchObject({ count: bytes.length });
    await asked(rig, uuid, "guest-file-flush", { handle: writer });
    const read = await asked(rig, uuid, "guest-file-read", { handle: reader, count: 2 ** 20 });
    expect(read).toMatchObject({ count: bytes.length, eof: true });
    expect(Buffer.from(String(read["buf-b64"]), "base64").equals(bytes)).toBe(true);
  }
  for (const handle of [writer, reader]) await asked(rig, uuid, "guest-file-close", { handle });
  const closed = await rig.host.agentCommand(
    uuid,
    { execute: "guest-file-flush", arguments: { handle: writer } },
    5000,
  );
  expect(closed).toMatchObject({ refused: "failed" });
  await ran(rig, uuid, ['rm "$1"', path]);
}

/** Words as they are, whatever virsh takes for special; how it ended is told once. */
async function runsPrograms(rig: Rig, uuid: string): Promise<void> {
  const words = ["a 'b' \"c\" $d; \\\\ e\tf\n", "ñ – 🙂", "'"];
  expect(await ran(rig, uuid, ['printf %s "$@"; exit 3', ...words])).toMatchObject({
    exitcode: 3,
    out: words.join(""),
  });
  expect(await ran(rig, uuid, ["kill -9 $$"])).toMatchObject({ signal: 9 });
  const nothing = await rig.host.agentCommand(uuid, { execute: "guest-exec-status", arguments: { pid: 1 } }, 5000);
  expect(nothing).toMatchObject({ refused: "failed" });
  const info = await asked(rig, uuid, "guest-info");
  expect(info.supported_commands).toContainEqual(expect.objectContaining({ name: "guest-exec", enabled: true }));
}

async function ran(rig: Rig, uuid: string, [script, ...words]: readonly string[]): Promise<Record<string, unknown>> {
  const arg = ["-c", script, "sh", ...words];
  const { pid } = await asked(rig, uuid, "guest-exec", { path: "/bin/sh", arg, "capture-output": true });
  for (;;) {
    const { exited, ...end } = await asked(rig, uuid, "guest-exec-status", { pid });
    if (exited === true) return { ...end, out: Buffer.from(String(end["out-data"] ?? ""), "base64").toString() };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
