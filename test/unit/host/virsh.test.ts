import { describe, expect, test } from "vitest";
import type { Processes } from "../../../src/host/process.ts";
import { commandLabel, failure, lastWords, missingProgram } from "../../../src/host/process-failure.ts";
import { batchText, createVirsh, parseBatch, quoteArgument } from "../../../src/host/virsh.ts";

/** Recorded: `domuuid nosuch; domstate test --reason` of libvirt 9.0, with markers. */
const RECORDED = {
  stdout: "@@n 0\n@@n 1\nrunning (unknown)\n@@n 2\n",
  stderr: "error: @@n 0\n\nerror: failed to get domain 'nosuch'\nerror: @@n 1\n\nerror: @@n 2\n\n",
};

describe("a batch of virsh commands", () => {
  test("gives each command its own answer, and its own complaint", () => {
    expect(parseBatch(RECORDED, "n", 2)).toEqual([
      { text: "", error: "failed to get domain 'nosuch'" },
      { text: "running (unknown)\n", error: null },
    ]);
  });

  test("is no answer at all where virsh did not come to its end", () => {
    expect(parseBatch({ stdout: "@@n 0\n", stderr: "error: unknown command: 'bogus'" }, "n", 2)).toBeNull();
  });

  test("keeps a document apart that holds a marker of another run", () => {
    const stdout = "@@n 0\n<description>\n@@m 1\n</description>\n@@n 1\n";
    expect(parseBatch({ stdout, stderr: "" }, "n", 1)?.[0]?.text).toContain("@@m 1");
  });

  test("quotes what virsh would take apart", () => {
    expect(quoteArgument("vda")).toBe("vda");
    expect(quoteArgument('a;b \\ "c"')).toBe("'a;b \\ \"c\"'");
    expect(quoteArgument("it's")).toBe("'it'\\''s'");
    expect(() => quoteArgument("a\0b")).toThrow("NUL");
    expect(batchText([["domstate", "a b"]], "n")).toContain("; domstate 'a b'; ");
  });

  test("takes as many processes as the length of one argument asks for", async () => {
    let processes = 0;
    const fake = {
      async run({ args }: { args: readonly string[] }) {
        processes += 1;
        const text = args.at(-1) ?? "";
        expect(Buffer.byteLength(text)).toBeLessThan(128 * 1024);
        const marks = [...text.matchAll(/echo '(@@\w+ \d+\n)'/g)].map(([, mark]) => mark);
        return { exit: 0, stdout: marks.join("answer\n"), stderr: "" };
      },
    } as unknown as Processes;
    const commands = Array.from({ length: 1000 }, () => ["dumpxml", "--domain", "ü".repeat(50)]);
    const answers = await createVirsh(fake, "qemu:///system").batch(commands);
    expect(answers).toHaveLength(1000);
    expect(answers.every(({ text }) => text === "answer\n")).toBe(true);
    expect(processes).toBe(2);
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

  test("is the host's fault where libvirt does not answer, or the program is not installed", () => {
    const stderr = "error: failed to connect to the hypervisor\nerror: Failed to connect socket: No such file\n";
    expect(failure({ program: "virsh", args: ["list"] }, { exit: 1, stderr }).code).toBe("host");
    expect(missingProgram("qemu-img")).toMatchObject({ code: "host", hint: "Install the Debian package qemu-utils." });
  });
});
