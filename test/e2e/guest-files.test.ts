/** Commands in a guest, and files into it and out of it, through the real qemu-ga: without a network. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { sure } from "./processes.ts";
import { makeRig, program, type Rig } from "./rig.ts";

describe("exec, push and pull", () => {
  let rig: Rig;
  const exec = (...command: string[]) => rig.estrato("instance", "exec", "web1", "--", ...command);
  const here = (name: string) => join(rig.folder, name);
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1", "--agent", "--wait", "agent");
  });

  it("exec passes words, streams and exit codes on", async () => {
    expect(await exec("sh", "-c", 'echo "$1"; echo bad >&2; exit 7', "sh", "a 'b' $c ñ")).toMatchObject({
      code: 7,
      stdout: "a 'b' $c ñ\n",
      stderr: "bad\n",
    });
    expect((await exec("sh", "-c", "kill -9 $$")).code).toBe(137);
    const ended = await rig.ok("instance", "exec", "web1", "-f", "json", "--", "id", "-u");
    expect(JSON.parse(ended)).toMatchObject({
      exit_code: 0,
      signal: null,
      stdout: "0\n",
      stderr: "",
      truncated: false,
    });
    const late = await rig.estrato("instance", "exec", "web1", "--timeout", "1s", "--", "sleep", "600");
    expect(late).toMatchObject({ code: 7, stderr: expect.stringMatching(/goes on there as process \d+/) });
    const [, pid = ""] = /process (\d+)/.exec(late.stderr) ?? [];
    expect((await exec("kill", pid)).code).toBe(0); // it is there, and is that one
  });

  it("push and pull bring the same bytes, while snapshots freeze the guest", async () => {
    const bytes = randomBytes(400_000);
    writeFileSync(here("data"), bytes, { mode: 0o600 });
    // One that begins while they stand still is refused: it is to be under way.
    let isOver = false;
    const pushed = rig.json("instance", "push", "web1", here("data"), "/root/data").finally(() => {
      isOver = true;
    });
    pushed.catch(() => undefined); // it is waited for below
    await until("it is being written", async () => isOver || /\.push/.test((await exec("ls", "-A", "/root")).stdout));
    const snapshots = (async () => {
      for (const name of ["one", "two"]) await rig.ok("snapshot", "create", "web1", name, "--quiesce", "require");
    })();
    const [{ sha256 }] = await Promise.all([pushed, snapshots]);
    expect((await exec("sha256sum", "/root/data")).stdout).toBe(`${sha256}  /root/data\n`);
    await rig.ok("instance", "pull", "web1", "/root/data", here("back"));
    expect(readFileSync(here("back")).equals(bytes)).toBe(true);
    await sure(
      "sh",
      "-c",
      `${program} --store ${rig.home} instance exec web1 --stdin -- cat < ${here("data")} > ${here("through")}`,
    );
    expect(readFileSync(here("through")).equals(bytes)).toBe(true);
    // Of all of them that of this very exec is left.
    const left = await exec("sh", "-c", "ls -A /tmp /var/tmp /run /root 2>&1 | grep estrato");
    expect(left.stdout).toMatch(/^\.estrato-[0-9a-f]{24}\.exec\n$/);
  });

  it("push that is killed leaves the old file whole; the next one puts the new one there", async () => {
    writeFileSync(here("big"), randomBytes(2_000_000));
    await exec("sh", "-c", "echo old > /root/conf; chmod 640 /root/conf");
    const child = rig.start({}, "instance", "push", "web1", here("big"), "/root/conf");
    await until("it is being written", async () => /\.push/.test((await exec("ls", "-A", "/root")).stdout));
    child.kill("SIGKILL");
    expect((await exec("cat", "/root/conf")).stdout).toBe("old\n");
    writeFileSync(here("small"), "new\n");
    await rig.ok("instance", "push", "web1", here("small"), "/root/conf");
    expect((await exec("sh", "-c", "cat /root/conf; stat -c %a /root/conf")).stdout).toBe("new\n640\n");
  });
});
