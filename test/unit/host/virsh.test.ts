import { describe, expect, test } from "vitest";
import { WrongPassphrase } from "../../../src/errors.ts";
import { commandLabel, failure, lastWords, MissingProgram } from "../../../src/host/process-failure.ts";
import { batchText, parseBatch, quoteArgument } from "../../../src/host/virsh.ts";

/** Recorded: `domuuid nosuch; domstate test --reason` of libvirt 9.0, with markers. */
const RECORDED = {
  stdout: "@@n 0@@@n 1@running (unknown)\n@@n 2@",
  stderr: "error: @@n 0@\nerror: failed to get domain 'nosuch'\nerror: @@n 1@\nerror: @@n 2@\n",
};

describe("a batch of virsh commands", () => {
  test("gives each command its own answer, and its own complaint", () => {
    expect(parseBatch(RECORDED, "n", 2)).toEqual([
      { text: "", error: "failed to get domain 'nosuch'" },
      { text: "running (unknown)\n", error: null },
    ]);
  });

  test("is no answer at all where virsh did not come to its end", () => {
    expect(parseBatch({ stdout: "@@n 0@", stderr: "error: unknown command: 'bogus'" }, "n", 2)).toBeNull();
  });

  test("keeps a document apart that holds a marker of another run", () => {
    const stdout = "@@n 0@<description>\n@@m 1@\n</description>\n@@n 1@";
    expect(parseBatch({ stdout, stderr: "" }, "n", 1)?.[0]?.text).toContain("@@m 1@");
  });

  test("quotes what virsh would take apart", () => {
    expect(quoteArgument("vda")).toBe("vda");
    expect(quoteArgument('a;b \\ "c"')).toBe("'a;b \\ \"c\"'");
    expect(quoteArgument("it's")).toBe("'it'\\''s'");
    expect(() => quoteArgument("a\0b")).toThrow("NUL");
    expect(batchText([["domstate", "a b"]], "n")).toContain("; domstate 'a b'; ");
  });

  test("is not failed by a connection that was lost before it", () => {
    const again = "error: Disconnected from qemu:///system due to end of file\nerror: Reconnected to the hypervisor\n";
    const stderr = `error: @@n 0@\n${again}error: @@n 1@\n`;
    expect(parseBatch({ stdout: "@@n 0@ok\n@@n 1@", stderr }, "n", 1)).toEqual([{ text: "ok\n", error: null }]);
  });
});

describe("a child that failed", () => {
  test("is named by program and verb, with its last words on one line", () => {
    const command = { program: "virsh", args: ["-q", "-c", "qemu:///system", "define", "x.xml"] };
    const stderr = "error: Failed to define domain from x.xml\nerror: XML error: no \u001b[31mname\n\n";
    expect(failure(command, { exit: 1, stderr })).toMatchObject({
      code: "failed",
      message: "virsh define: XML error: no ?[31mname",
    });
    expect(commandLabel({ program: "qemu-img", args: ["commit", "-d"] })).toBe("qemu-img commit");
    expect(failure({ program: "qemu-img", args: ["info"] }, { exit: 3, stderr: "" }).message).toBe(
      "qemu-img info: exit code 3",
    );
  });

  test("is a conflict where somebody else has the image open", () => {
    const stderr = `qemu-img: Could not open '/a': Failed to get shared "write" lock\nIs another process using the image [/a]?\n`;
    expect(lastWords(stderr)).toBe(`Could not open '/a': Failed to get shared "write" lock`);
    expect(failure({ program: "qemu-img", args: ["info"] }, { exit: 1, stderr }).code).toBe("conflict");
  });

  test("is the host's fault where QEMU's user cannot get at a file, and says how he can", () => {
    const stderr = `error: Failed to start domain 'one'\nerror: Cannot access backing file '/t/b/vda.qcow2' of storage file '/l/h.qcow2' (as uid:64055, gid:64055): Permission denied\n`;
    const told = failure({ program: "virsh", args: ["start"] }, { exit: 1, stderr });
    expect(told).toMatchObject({ code: "host", hint: expect.stringContaining("setfacl -m u:64055:x FOLDER") });
    const gone = stderr.replace("Permission denied", "No such file or directory");
    expect(failure({ program: "virsh", args: ["start"] }, { exit: 1, stderr: gone }).code).toBe("failed");
  });

  test("is the host's fault where no space is left, or a passphrase is another one", () => {
    const command = { program: "qemu-img", args: ["commit"] };
    const full = "qemu-img: error while committing: No space left on device\n";
    expect(failure(command, { exit: 1, stderr: full })).toMatchObject({
      code: "host",
      hint: "Free some space there and run the command again.",
    });
    const wrong = "qemu-img: Could not open '/a': Invalid password, cannot unlock any keyslot\n";
    expect(failure(command, { exit: 1, stderr: wrong })).toBeInstanceOf(WrongPassphrase);
  });

  test("is the host's fault where libvirt does not answer, or the program is not installed", () => {
    const stderr = "error: failed to connect to the hypervisor\nerror: Failed to connect socket: No such file\n";
    expect(failure({ program: "virsh", args: ["list"] }, { exit: 1, stderr }).code).toBe("host");
    expect(new MissingProgram("qemu-img")).toMatchObject({
      code: "host",
      hint: "Install the Debian package qemu-utils.",
    });
  });
});
