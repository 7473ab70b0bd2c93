import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { killAt } from "./crash.ts";
import { run, sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

const MARKER = "the-marker-that-nobody-may-read";
const PASSPHRASE = "open sesame, 1001 nights";

/** As it is, and as libvirt takes it. */
const TOLD = [PASSPHRASE, Buffer.from(PASSPHRASE).toString("base64")];

/** What every process was called with, its environment, and how large a core dump of who is given a secret may be. */
function watchCalls() {
  const [calls, dumps] = [new Set<string>(), new Set<string>()];
  const look = () => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        const [line, environ, limits] = ["cmdline", "environ", "limits"].map((what) =>
          readFileSync(`/proc/${pid}/${what}`, "utf8"),
        ) as [string, string, string];
        for (const told of [line, environ]) calls.add(told);
        if (line.includes("/dev/fd/")) dumps.add(/^Max core file size +(\S+)/m.exec(limits)?.[1] ?? "");
      } catch {
        // It has ended.
      }
    }
  };
  const timer = setInterval(look, 20);
  return { calls, dumps, end: () => clearInterval(timer) };
}

describe("encrypted backups", () => {
  const watch = watchCalls();
  afterAll(() => watch.end());
  let rig: Rig;
  let target: string;
  let key: string;
  let wrong: string;
  beforeAll(async () => {
    rig = await makeRig();
    [target, key, wrong] = ["target", "passphrase", "wrong"].map((name) => join(rig.folder, name)) as [
      string,
      string,
      string,
    ];
    mkdirSync(target);
    writeFileSync(key, `${PASSPHRASE}\n`);
    writeFileSync(wrong, "another\n");
    await rig.create("web1");
  });
  const at = (...args: string[]) => [...args, "--target", target];
  const backup = (...args: string[]) =>
    rig.json<{ id: string; encrypted: boolean; incremental: boolean }>(
      ...at("backup", "web1", "--rotation", "2", "--incremental", "--encrypt", "--passphrase-file", key, ...args),
    );
  /** Does any file below `folder` hold these bytes? They are in no argument: see the last test. */
  const found = async (folder: string, text: string) =>
    (await run("grep", ["-rlaFf", "-", folder], {}, `${text}\n`)).stdout;

  it("hold no readable byte, and tell their passphrase to nobody", async () => {
    for (const night of [1, 2, 3]) {
      await rig.guest("web1", `for i in 1 2 3; do echo ${MARKER}-${night}; done > /root/secret; sync`);
      const traced = await rig.estrato(
        ...at("backup", "web1", "--rotation", "2", "--incremental", "--encrypt", "--passphrase-file", key, "--trace"),
      );
      expect(traced).toMatchObject({ code: 0 });
      for (const told of TOLD) expect(traced.stderr + traced.stdout).not.toContain(told);
    }
    const again = ["--rotation", "2", "--encrypt", "--passphrase-file", key, "--dry-run"];
    for (const told of TOLD) expect(await rig.ok(...at("backup", "web1", ...again))).not.toContain(told);
    const list = await rig.json<{ encrypted: boolean; incremental: boolean }[]>(...at("backup", "list"));
    expect(list.map(({ encrypted, incremental }) => [encrypted, incremental])).toEqual([
      [true, false],
      [true, true],
    ]);
    expect(await found(target, MARKER)).toBe("");
    expect(await found(target, PASSPHRASE)).toBe("");
    expect(await found(rig.home, PASSPHRASE)).toBe("");
    expect(await sure("virsh", "--quiet", "secret-list")).toBe("");
    await rig.ok("backup", "verify", "--all", "--target", target);
    expect(await rig.json("doctor")).toEqual([]);
  });

  it("restore with their passphrase, and with no other", async () => {
    const { id } = await backup();
    const restore = at("backup", "restore", id, "--instance", "web2");
    expect(await rig.estrato(...restore)).toMatchObject({ code: 2 });
    const refused = await rig.estrato(...restore, "--passphrase-file", wrong);
    expect(refused.code).toBe(6);
    expect(refused.stderr).toMatch(/passphrase|password/i);
    expect((await rig.json<unknown[]>("instance", "list")).length).toBe(1);
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok(...restore, "--passphrase-file", key);
    expect(await rig.guest("web2", "head -n 1 /root/secret")).toBe(`${MARKER}-3`);
    await rig.ok("instance", "delete", "web2", "-y");
  });

  it("are merged with their passphrase, and with no other: a wrong one stands in nobody's way afterwards", async () => {
    const [oldest] = await rig.json<{ id: string }[]>(...at("backup", "list"));
    const remove = [...at("backup", "delete", oldest?.id as string, "-y"), "--passphrase-file"];
    for (const dry of [["--dry-run"], []]) {
      const refused = await rig.estrato(...remove, wrong, ...dry);
      expect(refused).toMatchObject({ code: 6, stderr: expect.stringContaining("does not open what builds on it") });
    }
    expect(await sure("virsh", "--quiet", "secret-list")).toBe("");
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok(...remove, key);
    await rig.ok("backup", "verify", "--all", "--target", target);
    await backup();
  });

  /** What reads a guest's files is on the machine's own generation alone. */
  const reads = it.skipIf(process.env.ESTRATO_BED_GEN === "13");
  const readers = async () => (await run("pgrep", ["-fa", "guestfish|qemu-nbd|libguestfs"])).stdout;

  reads("give out files of a third increment, and so does a snapshot of the guest that runs", async () => {
    for (const night of [4, 5]) {
      await rig.guest("web1", `echo night ${night} > /root/night-${night}; sync`);
      await backup("--rotation", "9");
    }
    await rig.ok("snapshot", "create", "web1", "read");
    await rig.guest("web1", "rm /root/night-5; sync");
    const id = (await rig.json<{ id: string }[]>(...at("backup", "list"))).at(-1)?.id as string;
    const to = join(rig.folder, "out");
    const extract = at("backup", "extract", id, "/root/night-4", "/root/night-5", "/root/secret", "--to", to);
    expect(await rig.estrato(...extract)).toMatchObject({ code: 6 });
    expect(await rig.estrato(...extract, "--passphrase-file", wrong)).toMatchObject({ code: 6 });
    await rig.ok(...extract, "--passphrase-file", key);
    for (const night of [4, 5]) expect(readFileSync(join(to, `night-${night}`), "utf8")).toBe(`night ${night}\n`);
    expect(readFileSync(join(to, "secret"), "utf8")).toContain(`${MARKER}-3`);
    expect(await rig.ok("snapshot", "extract", "web1/read", "/root/night-5", "--to", "-")).toContain("night 5\n");
    expect(await readers()).toBe("");
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok("snapshot", "delete", "web1/read", "-y");
  });

  reads("leave no process and no socket where their reader is killed", async () => {
    const id = (await rig.json<{ id: string }[]>(...at("backup", "list"))).at(-1)?.id as string;
    const files = [...at("backup", "files", id, "/root"), "--passphrase-file"];
    const killed = rig.start({}, ...files, key);
    await until("its machine starts", async () => /-kernel/.test(await readers()));
    killed.kill("SIGKILL");
    await until("all of it has ended", async () => (await readers()) === "");
    expect(readFileSync("/proc/net/unix", "utf8")).not.toMatch(/guestfsd\.sock|\.part\//);
    expect(await rig.estrato(...files, wrong)).toMatchObject({ code: 6 });
    expect(readdirSync("/dev/shm").filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(await rig.json("doctor")).toEqual([]);
  });

  it("boot with their passphrase, their whole chain below them, and with no other", async () => {
    const all = await rig.json<{ id: string; incremental: boolean }[]>(...at("backup", "list"));
    const { id, incremental } = all.at(-1) as { id: string; incremental: boolean };
    expect(incremental).toBe(true);
    const boot = at("backup", "verify", id, "--boot");
    expect(await rig.estrato(...boot)).toMatchObject({ code: 2 });
    const refused = await rig.estrato(...boot, "--passphrase-file", wrong);
    expect(refused.code).toBe(6);
    expect(refused.stderr).toMatch(/passphrase|password/i);
    const clean = async () => {
      expect(await sure("virsh", "--quiet", "secret-list")).toBe("");
      expect((await sure("virsh", "list", "--all", "--name")).trim()).toBe("web1");
      expect(readdirSync(join(rig.home, "consoles"))).toHaveLength(1);
      expect(await rig.json("doctor")).toEqual([]);
    };
    await clean();
    const booted = await rig.json(...boot, "--passphrase-file", key);
    expect(booted).toMatchObject({ status: "ok", booted_ms: expect.any(Number) });
    await clean();
    const byText = await rig.json(...boot, "--passphrase-file", key, "--console-text", "is up after");
    expect(byText).toMatchObject({ status: "ok", booted_ms: expect.any(Number) });
    await clean();
    const shown = await rig
      .json(...boot, "--passphrase-file", key, "--console-text", "NEVER", "--timeout", "1s")
      .catch((error: Error) => error.message);
    expect(shown).toContain("exit 9");
    await clean();
    // Killed while it runs: the guest, its overlays and the secret go with the next command.
    await killAt(rig, { at: "backup.boot:3:after", id: "start", title: "Start it" }, ...boot, "--passphrase-file", key);
    expect(await sure("virsh", "--quiet", "secret-list")).not.toBe("");
    await rig.heal();
    await clean();
    await rig.ok("backup", "verify", "--all", "--target", target);
  });

  /** The path of a volume's disk in the guest, found by its serial. */
  const device = async (volume: string) => {
    const { id } = await rig.json<{ id: string }>("volume", "show", volume);
    const look = `for d in /sys/block/vd*; do [ "$(cat $d/serial)" = ${id.slice(0, 20)} ] && basename $d; done; true`;
    return `/dev/${await rig.guest("web1", look)}`;
  };

  it("are needed for an encrypted disk, and what is restored of it is encrypted again", async () => {
    await rig.ok("volume", "create", "vault", "--size", "64M", "--encrypt", "--passphrase-file", key);
    await rig.ok("volume", "attach", "web1", "vault");
    const vault = await device("vault");
    await rig.guest("web1", `echo ${MARKER}-vault | dd of=${vault} bs=64k conv=sync 2>/dev/null; sync`);
    const open = await rig.estrato(...at("backup", "web1", "--rotation", "2"));
    expect(open.code).toBe(6);
    expect(open.stderr).toContain("vdb is encrypted");
    await rig.guest("web1", `echo ${MARKER}-more | dd of=${vault} bs=64k seek=4 conv=sync,notrunc 2>/dev/null; sync`);
    for (const _ of [1, 2, 3]) await backup();
    expect(await found(target, MARKER)).toBe("");
    const newest = (await rig.json<{ id: string }[]>(...at("backup", "list"))).at(-1)?.id as string;
    await rig.ok(...at("backup", "restore", newest, "--volume", "vault2", "--disk", "vdb", "--passphrase-file", key));
    expect(await rig.json("volume", "show", "vault2")).toMatchObject({ encrypted: true });
    expect(await found(join(rig.home, "layers"), `${MARKER}-vault`)).toBe("");
    await rig.ok("volume", "attach", "web1", "vault2");
    const again = await device("vault2");
    expect(await rig.guest("web1", `head -n 1 ${again}`)).toBe(`${MARKER}-vault`);
    expect(await rig.guest("web1", `cmp ${vault} ${again} && echo same`)).toBe("same");
    expect(readdirSync(target)).toHaveLength(3);
    expect(await rig.json("doctor")).toEqual([]);
  });

  it("are booted from where their disks were encrypted themselves, which then stay so", async () => {
    const newest = (await rig.json<{ id: string }[]>(...at("backup", "list"))).at(-1)?.id as string;
    const instant = at("backup", "restore", newest, "--instance", "web3", "--instant");
    const plain = await rig.estrato(...instant, "--passphrase-file", key);
    expect(plain.code).toBe(5);
    expect(plain.stderr).toContain("disk vda itself was not");
    expect(await rig.estrato(...instant, "--disk", "vdb")).toMatchObject({ code: 2 });
    expect(await rig.estrato(...instant, "--disk", "vdb", "--passphrase-file", wrong)).toMatchObject({ code: 6 });
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok(...instant, "--disk", "vdb", "--passphrase-file", key, "--no-wait");
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok(...instant, "--disk", "vdb", "--passphrase-file", key);
    expect(readdirSync(join(target, newest)).filter((name) => name.startsWith("use-"))).toEqual([]);
    await rig.ok("instance", "stop", "web3", "--force");
    await rig.ok("instance", "start", "web3");
    await rig.ok("instance", "stop", "web3", "--force");
    const [disk] = (await rig.json<{ volumes: { id: string }[] }>("instance", "show", "web3")).volumes;
    await rig.ok("volume", "detach", "web3", disk?.id as string);
    expect(await rig.json("volume", "show", disk?.id as string)).toMatchObject({ encrypted: true });
    await rig.ok("volume", "attach", "web1", disk?.id as string);
    expect(
      await rig.guest("web1", `cmp ${await device("vault")} ${await device(disk?.id as string)} && echo same`),
    ).toBe("same");
    expect(await found(join(rig.home, "layers"), `${MARKER}-vault`)).toBe("");
    expect(await rig.json("doctor")).toEqual([]);
  });

  it("gave their passphrase to no program's arguments or environment, and to no log", async () => {
    watch.end();
    expect([...watch.calls].filter((call) => call.includes("secret,id=") && call.includes("qemu-img"))).not.toEqual([]);
    expect([...watch.dumps]).toEqual(["1"]);
    const logs = "/var/log/libvirt";
    for (const told of TOLD) {
      expect([...watch.calls].filter((call) => call.includes(told))).toEqual([]);
      for (const folder of [rig.home, target, logs]) expect(await found(folder, told), folder).toBe("");
    }
  });
});
