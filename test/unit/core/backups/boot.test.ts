import { describe, expect, test } from "vitest";
import { bootSound, requireOpener } from "../../../../src/core/backups/boot.ts";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { parseDefinition } from "../../../../src/host/domain-xml.ts";
import { type Bed, bed, command, everything, type Process, TARGET, UUID } from "../world.ts";
import { night, withTarget } from "./world.ts";

const HOW = { timeoutMs: 3_000, consoleText: null, screenshot: null, passphraseFile: null } as const;

/** QEMU runs as the one who calls: no file changes hands. */
async function target(): Promise<Bed> {
  const on = await withTarget();
  on.machine.capabilities = { ...on.machine.capabilities, qemuUser: null };
  return on;
}

async function boot(on: Bed, how: Partial<Parameters<typeof bootSound>[2]> = {}, world: Process = command(on)) {
  const read = await verifyAll(command(on), TARGET);
  return bootSound(world, read, { ...HOW, ...how });
}

/** A process in which the guest that boots from the backup gets that on its console at that look, and has no agent. */
function withConsole(on: Bed, text: string, atLook: number): Process {
  const world = command(on);
  const sleep = world.clock.sleep.bind(world.clock);
  let looks = 0;
  const agentPing = async (uuid: string) => uuid === UUID;
  const clock = {
    ...world.clock,
    now: () => world.clock.now(),
    sleep: async (ms: number) => {
      looks += 1;
      const [guest] = [...on.machine.domains.keys()].filter((uuid) => uuid !== UUID);
      if (looks === atLook && guest !== undefined) {
        const log = world.store.paths.consoleLog(guest);
        for (const path of [log, `${log}.0`]) world.host.addFile(path, { format: "raw", text });
      }
      return sleep(ms);
    },
  };
  return { ...world, clock, host: { ...world.host, agentPing } };
}

describe("a backup is booted", () => {
  test("until its agent answers, and nothing of the guest is left", async () => {
    const on = await target();
    await night(on);
    const before = everything(on);
    expect(await boot(on)).toMatchObject([{ status: "ok", booted_ms: 0 }]);
    expect(everything(on)).toBe(before);
  });

  test("until its console shows the text, whether or not it has an agent", async () => {
    const on = await target();
    await night(on);
    const before = everything(on);
    const shown = await boot(on, { consoleText: "login:" }, withConsole(on, "\r\n\u001b[1mdebian\u001b[m login: ", 2));
    expect(shown).toMatchObject([{ status: "ok", booted_ms: 1_000 }]);
    expect(everything(on)).toBe(before);
    const [other] = await boot(on, { consoleText: "login:" }, withConsole(on, "Kernel panic", 1));
    expect(other).toMatchObject({ status: "unbootable", booted_ms: null });
    expect(other?.problems).toEqual([expect.stringContaining("its console did not show the text within 3 s")]);
    // The guest's agent would have answered.
    expect(await boot(on, { consoleText: "login:" })).toMatchObject([{ status: "unbootable" }]);
    expect(everything(on)).toBe(before);
  });

  test.each([
    ["set ahead", "2030-01-01T00:00:00Z", "login:", "ok"],
    ["set back", "2020-01-01T00:00:00Z", "Kernel panic", "unbootable"],
  ])("within the time that it has, whether or not the clock is %s meanwhile", async (_, time, text, status) => {
    const on = await target();
    await night(on);
    const world = withConsole(on, text, 3);
    let looks = 0;
    const sleep = async (ms: number) => {
      looks += 1;
      if (looks === 1) on.clock.set(time);
      if (looks > 20) throw new EstratoError("failed", "it does not end");
      return world.clock.sleep(ms);
    };
    const found = await boot(on, { consoleText: "login:" }, { ...world, clock: { ...world.clock, sleep } });
    expect(found).toMatchObject([{ status }]);
  });

  test("on disks that its machine knows, whatever bus they had", async () => {
    const on = bed();
    on.machine.capabilities = { ...on.machine.capabilities, qemuUser: null };
    on.machine.folders.add(TARGET);
    const { host } = command(on);
    const disks = ["hda", "sda"].map((device) => ({ device, path: `/disks/${device}.qcow2`, format: "qcow2" }));
    for (const { path } of disks) host.addFile(path, { content: { 0: "boot" } });
    host.addDomain({ name: "web1", uuid: UUID, disks });
    await night(on);
    const world = command(on);
    expect(await boot(on, {}, world)).toMatchObject([{ status: "ok" }]);
    const [defined] = world.host.performed.flatMap((action) => (action.do === "define" ? [action.xml] : []));
    const targets = parseDefinition(defined ?? "").disks.map(({ device, bus }) => [device, bus]);
    expect(targets).toEqual([
      ["vda", "virtio"],
      ["vdb", "virtio"],
    ]);
  });

  test("without an agent and without a text it is unbootable, and says what is missing", async () => {
    const on = await target();
    await night(on);
    const [found] = await boot(on, {}, withConsole(on, "login:", 1));
    expect(found?.problems).toEqual([expect.stringContaining("no guest agent answered within 3 s")]);
  });
});

describe("an encrypted backup is booted", () => {
  const key = { passphraseFile: "/key" };
  async function encrypted(): Promise<Bed> {
    const on = await target();
    command(on).host.addFile("/key", { format: "raw", text: "sesame\n" });
    command(on).host.addFile("/wrong", { format: "raw", text: "another\n" });
    for (const _ of [1, 2, 3]) await night(on, key);
    return on;
  }

  test("with its passphrase, which libvirt does not keep", async () => {
    const on = await encrypted();
    const before = everything(on);
    expect((await boot(on, key)).map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    expect([everything(on), on.machine.secrets.size]).toEqual([before, 0]);
  });

  test("and writes nothing that is readable", async () => {
    const on = await encrypted();
    const world = command(on);
    await boot(on, key, world);
    const made = world.host.performed.filter((action) => action.do === "create-disk");
    const given = world.host.performed.filter((action) => action.do === "define-secret");
    expect(made.map(({ secret }) => secret)).toEqual(given.map(({ secret }) => secret));
  });

  test("not with another passphrase, nor without: the host's error, or the user's, and nothing is left", async () => {
    const on = await encrypted();
    const before = everything(on);
    await expect(boot(on, { passphraseFile: "/wrong" })).rejects.toMatchObject({ code: "host" });
    await expect(boot(on, { passphraseFile: "/nowhere" })).rejects.toMatchObject({ code: "host" });
    await expect(boot(on)).rejects.toMatchObject({ code: "usage" });
    await expect(requireOpener(command(on), [TARGET], null, null)).rejects.toMatchObject({ code: "usage" });
    await requireOpener(command(on), [TARGET], null, "/key");
    expect([everything(on), on.machine.secrets.size]).toEqual([before, 0]);
  });
});
