import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Ran, run } from "./processes.ts";
import { guestImage, makeRig, type Rig } from "./rig.ts";

const program = resolve(import.meta.dirname, "../../bin/estrato");

describe("an image through a pipe", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
  });
  const shell = (line: string): Promise<Ran> =>
    run("bash", ["-c", `set -o pipefail; ${line}`], { ESTRATO_HOME: rig.home });

  it("is the image that was sent, and knows no other name of it", async () => {
    const piped = await shell(
      `${program} image save base --file - --progress none | ${program} image create copy --file - -f json`,
    );
    expect([piped.code, piped.stderr]).toEqual([0, ""]);
    expect(JSON.parse(piped.stdout)).toMatchObject({ name: "copy", source: { kind: "file", name: "standard input" } });
    await rig.requireSame("copy", guestImage);
    const raw = await shell(
      `head -c 3M /dev/urandom > ${rig.folder}/raw; cat ${rig.folder}/raw | ${program} image create raw --file - --disk-format raw`,
    );
    expect(raw.code).toBe(0);
    await rig.ok("image", "save", "raw", "--file", join(rig.folder, "back"), "--disk-format", "raw");
    expect(readFileSync(join(rig.folder, "back")).equals(readFileSync(join(rig.folder, "raw")))).toBe(true);
    await rig.heal();
  });

  it("is refused where it is none, or names a file here, and leaves nothing behind", async () => {
    const before = rig.layers();
    const none = await shell(`echo hello | ${program} image create none --file -`);
    expect([none.code, none.stderr]).toEqual([6, expect.stringContaining("standard input: not a qcow2 image")]);
    const bad = `qemu-img create -q -f qcow2 -b ${guestImage} -F qcow2 ${rig.folder}/bad.qcow2`;
    const backed = await shell(`${bad}; ${program} image create bad --file - < ${rig.folder}/bad.qcow2`);
    expect(backed.code).toBe(6);
    const cut = await shell(`head -c 20M ${guestImage} | ${program} image create cut --file -`);
    expect(cut.code).toBe(6);
    expect(rig.layers()).toEqual(before);
    await rig.heal();
  });

  it("leaves nothing behind where the sender, or estrato, dies on the way", async () => {
    const before = rig.layers();
    for (const signal of ["SIGKILL", "SIGINT"] as const) {
      const child = spawn(program, ["image", "create", "half", "--file", "-"], {
        env: { ...process.env, ESTRATO_HOME: rig.home },
        stdio: ["pipe", "ignore", "ignore"],
      });
      child.stdin?.on("error", () => undefined);
      // Far more than a pipe holds: when it is written, it is being read.
      await new Promise((next) => child.stdin?.write(readFileSync(guestImage).subarray(0, 5 * 1024 ** 2), next));
      child.kill(signal);
      const code = await new Promise((done) => child.on("exit", (exit, by) => done(by ?? exit)));
      expect(code).toBe(signal === "SIGKILL" ? "SIGKILL" : 130);
      expect(rig.layers()).toEqual(before);
    }
    await rig.heal();
  });
});
