import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBare, makeBareImage } from "./bare.ts";
import { sure } from "./processes.ts";
import { guestImage, makeRig, type Rig, small, virsh } from "./rig.ts";

/**
 * A program in front of the real one, which it kills -9 after a while, once, in one of the calls that match: by its
 * arguments, or by a line of its standard input, where virsh is kept for many commands.
 */
const killer = (real: string) => `#!/bin/sh
case "$*" in
  *$ESTRATO_KILL_CALL*)
    if mkdir "$ESTRATO_KILL_ONCE" 2>/dev/null; then
      ${real} "$@" &
      sleep "$ESTRATO_KILL_AFTER"
      kill -9 $! 2>/dev/null
      wait $!
      exit
    fi ;;
esac
test "\${0##*/}" = virsh && test $# = 3 || exec ${real} "$@"
pipe="$ESTRATO_KILL_ONCE-$$"
mkfifo "$pipe"
${real} "$@" < "$pipe" &
exec 9> "$pipe"
while IFS= read -r line; do
  printf '%s\\n' "$line" >&9
  case "$line" in
    *$ESTRATO_KILL_CALL*)
      if mkdir "$ESTRATO_KILL_ONCE" 2>/dev/null; then
        sleep "$ESTRATO_KILL_AFTER"
        kill -9 $!
        exit 137
      fi ;;
  esac
done
exec 9>&-
wait $!
`;

describe("kill -9 of the child at work", () => {
  let rig: Rig;
  let folder: string;
  let turn = 0;
  beforeAll(async () => {
    rig = await makeRig();
    folder = `${rig.folder}/killers`;
    mkdirSync(folder);
    for (const program of ["virsh", "qemu-img"]) {
      writeFileSync(`${folder}/${program}`, killer((await sure("sh", "-c", `command -v ${program}`)).trim()));
      chmodSync(`${folder}/${program}`, 0o755);
    }
    await rig.create("web1");
    await rig.guest("web1", "echo first > /root/log; sync");
    await rig.ok("snapshot", "create", "web1", "kept");
  });
  const withKill = async (call: string, after: string, ...args: string[]) => {
    turn += 1;
    const ran = await rig.estratoWith(
      {
        PATH: `${folder}:${process.env.PATH}`,
        ESTRATO_KILL_CALL: call,
        ESTRATO_KILL_AFTER: after,
        ESTRATO_KILL_ONCE: `${rig.folder}/killed-${turn}`,
      },
      ...args,
    );
    expect(existsSync(`${rig.folder}/killed-${turn}`), `${call} of ${args.join(" ")}`).toBe(true);
    return ran;
  };
  const requireWhole = async (copy: string) => {
    await rig.heal();
    await rig.requireSame("kept", copy);
    expect(await rig.guest("web1", "head -1 /root/log; echo alive > /root/alive; sync")).toBe("first");
  };

  it("of a snapshot: it is there as a whole or not at all, and the guest goes on", async () => {
    const copy = await rig.copyOf("kept");
    for (const call of ["snapshot-create", "query-block", "define"]) {
      for (const after of ["0.005", "0.03", "0.08"]) {
        const ran = await withKill(call, after, "snapshot", "create", "web1", `s${turn}`);
        expect([0, 1, 9]).toContain(ran.code);
        await requireWhole(copy);
        const made = (await rig.json<{ name: string }[]>("snapshot", "list")).some(
          (one) => one.name === `s${turn - 1}`,
        );
        if (ran.code === 0) expect(made).toBe(true);
      }
    }
  });

  it("of a revert: one of the two states, whole, and running", async () => {
    const bare = await makeBare(rig, "bare1");
    await bare.write(1);
    await rig.ok("snapshot", "create", "bare1", "bare-kept");
    await bare.write(2);
    const bareCopy = await rig.copyOf("bare-kept");
    for (const call of ["define", "destroy", "start"]) {
      for (const after of ["0.005", "0.05"]) {
        await withKill(call, after, "snapshot", "revert", "bare1/bare-kept");
        await rig.heal();
        await rig.requireSame("bare-kept", bareCopy);
        expect(await virsh("domstate", "bare1")).toBe("running");
        expect([1, 2]).toContain(await bare.read());
        await bare.write(2);
      }
    }
    await rig.ok("instance", "delete", "bare1", "-y");
    // And that what it leaves boots.
    const copy = await rig.copyOf("kept");
    for (const [call, after] of [
      ["destroy", "0.005"],
      ["start", "0.05"],
    ] as const) {
      await withKill(call, after, "snapshot", "revert", "web1/kept");
      await requireWhole(copy);
    }
  });

  it("of a merge, off: repeated to its end, and the rest reads the same", async () => {
    await rig.guest("web1", "dd if=/dev/urandom of=/root/big bs=1M count=24 2>/dev/null; sync");
    await rig.ok("snapshot", "create", "web1", "middle");
    await rig.guest("web1", "dd if=/dev/urandom of=/root/big bs=1M count=24 2>/dev/null; sync");
    await rig.ok("snapshot", "create", "web1", "last");
    const sum = await rig.guest("web1", "sha256sum /root/big");
    await rig.ok("instance", "stop", "web1");
    const copy = await rig.copyOf("last");
    await withKill("commit", "0.02", "snapshot", "delete", "web1/middle");
    await rig.heal();
    await rig.requireSame("last", copy);
    await rig.ok("instance", "start", "web1");
    expect(await rig.guest("web1", "sha256sum /root/big")).toBe(sum);
  });

  it("of image create and instance create: there is a whole one or no trace of it", async () => {
    const traces = async () => ({ layers: rig.layers(), domains: await virsh("list", "--all", "--name") });
    await makeBareImage(rig); // nobody waits for what boots
    const before = await traces();
    for (const after of ["0.01", "0.05"]) {
      const image = await withKill(
        "convert",
        after,
        "image",
        "create",
        "killed",
        "--file",
        guestImage,
        "--disk-format",
        "qcow2",
      );
      await rig.heal();
      if (image.code === 0) await rig.ok("image", "delete", "killed");
      expect(await traces()).toEqual(before);
      for (const call of ["net-update", "define", "start"]) {
        const made = await withKill(call, after, "instance", "create", "killed", "--image", "bare", ...small);
        await rig.heal();
        if (made.code === 0) await rig.ok("instance", "delete", "killed", "-y");
        expect(await traces()).toEqual(before);
      }
    }
  });
});
