import { describe, expect, test } from "vitest";
import { many, one, optional } from "../../../src/commands/framework/arguments.ts";
import { choice, flag, keyValues, repeated, size, text } from "../../../src/commands/framework/options.ts";
import * as result from "../../../src/commands/framework/result.ts";
import { runVerb } from "../../../src/commands/framework/run.ts";
import { eachTarget } from "../../../src/commands/framework/targets.ts";
import type { Verb } from "../../../src/commands/framework/tree.ts";
import { verb } from "../../../src/commands/framework/verb.ts";
import { type ErrorCode, EstratoError } from "../../../src/errors.ts";
import type { Surroundings } from "../../../src/factory.ts";
import { asEstratoError } from "../../../src/ui/errors.ts";
import { text as textColumn } from "../../../src/ui/output/columns.ts";
import type { Prompts } from "../../../src/ui/prompts.ts";
import { fakeStore } from "../../fake/store.ts";
import { fakeStreams } from "../../fake/streams.ts";

interface Run {
  readonly code: ErrorCode | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Around {
  readonly prompts?: Prompts;
  readonly env?: Surroundings["env"];
  readonly terminal?: boolean;
}

/** One run of a verb that is made up for a test. */
async function run(made: Verb, words: readonly string[], around: Around = {}): Promise<Run> {
  const streams = fakeStreams({ terminal: around.terminal ?? false });
  const twins = {
    store: fakeStore(),
    host: {} as never,
    user: "ana",
    systemFolder: "/nowhere",
    ...(around.prompts === undefined ? {} : { prompts: around.prompts }),
  };
  const env = { HOME: "/nowhere", ...around.env };
  const surroundings = { streams, env, uid: 1000, signal: new AbortController().signal, twins };
  let code: ErrorCode | null = null;
  try {
    await runVerb("thing do", made, words, "estrato thing do", surroundings, {});
  } catch (error) {
    code = asEstratoError(error).code;
  }
  return { code, stdout: streams.stdout.text, stderr: streams.stderr.text };
}

const plain = { description: "Does it.", changes: true, examples: [] };
const column = textColumn<string>("name", (name) => name);

describe("what was not given", () => {
  test("is null, a flag false, a repeated option empty, a default its default", async () => {
    let seen: unknown;
    const made = verb({
      ...plain,
      arguments: { name: optional("NAME", "a name") },
      options: {
        flavor: text("FLAVOR", "a flavor"),
        noStart: flag("do not start"),
        volume: repeated(text("VOLUME", "a volume")),
        quiesce: choice(["try", "off"], "how", { default: "try" }),
        disk: size("its size"),
        property: keyValues("a property"),
      },
      async run({ args, options }) {
        seen = { ...args, ...options };
        return null;
      },
    });
    await run(made, []);
    expect(seen).toEqual({
      name: null,
      flavor: null,
      noStart: false,
      volume: [],
      quiesce: "try",
      disk: null,
      property: {},
    });
    await run(made, [
      "n",
      "--no-start",
      "--volume",
      "a",
      "--volume=b",
      "--disk",
      "1K",
      "--property",
      "k=v=w",
      "--property",
      "l=",
    ]);
    expect(seen).toEqual({
      name: "n",
      flavor: null,
      noStart: true,
      volume: ["a", "b"],
      quiesce: "try",
      disk: 1024,
      property: { k: "v=w", l: "" },
    });
  });
});

test("--wait and --no-wait are two options", async () => {
  let seen: unknown;
  const made = verb({
    ...plain,
    options: { wait: choice(["agent"], "wait for it"), noWait: flag("do not") },
    async run({ options }) {
      seen = options;
      return null;
    },
  });
  await run(made, ["--no-wait"]);
  expect(seen).toEqual({ wait: null, noWait: true });
  await run(made, ["--wait", "agent"]);
  expect(seen).toEqual({ wait: "agent", noWait: false });
});

describe("several targets", () => {
  const failing = (codes: Readonly<Record<string, ErrorCode>>): Verb =>
    verb({
      ...plain,
      arguments: { names: many("NAME", "names") },
      result: result.one([column]),
      async run(context) {
        return eachTarget(context, context.args.names, { kind: "thing", verb: "grow" }, async (name) => {
          const code = codes[name];
          if (code !== undefined) throw new EstratoError(code, `thing ${name}: no`, { hint: "Wait." });
          return name;
        });
      },
    });

  test("some fail: partial; the others are printed, each failure and the count reported", async () => {
    expect(await run(failing({ b: "conflict" }), ["a", "b", "c", "-f", "value"])).toEqual({
      code: "partial",
      stdout: "a\nc\n",
      stderr: "estrato: thing b: no. Wait.\n",
    });
  });

  test("all fail alike: that code", async () => {
    expect((await run(failing({ a: "conflict", b: "conflict" }), ["a", "b"])).code).toBe("conflict");
  });

  test("all fail, differently: failed", async () => {
    expect((await run(failing({ a: "conflict", b: "not_found" }), ["a", "b"])).code).toBe("failed");
  });

  test("one fails: its own error, reported once", async () => {
    expect(await run(failing({ a: "conflict" }), ["a"])).toEqual({ code: "conflict", stdout: "", stderr: "" });
  });

  test("the same one twice is one", async () => {
    expect((await run(failing({}), ["a", "a", "-f", "json"])).stdout).toBe(
      '{\n  "name": "a",\n  "changed": false,\n  "schema_version": 1\n}\n',
    );
  });
});

describe("a question", () => {
  const asking = verb({
    ...plain,
    result: result.one([column]),
    async run({ world }) {
      const { report } = await world();
      return (await report.confirm({ text: "Drop a?", loses: ["a/1", "a/2"] })) ? "dropped" : null;
    },
  });
  const answering = (yes: boolean): Prompts => ({
    confirm: async () => yes,
    choose: () => Promise.reject(new Error("not expected")),
    ask: () => Promise.reject(new Error("not expected")),
  });

  test("is not asked with --yes, nor by a dry run", async () => {
    expect((await run(asking, ["-y", "-f", "value"])).stdout).toBe("dropped\n");
    expect((await run(asking, ["-n", "-f", "value"])).stdout).toBe("dropped\n");
  });

  test("without anybody to ask needs a yes", async () => {
    expect((await run(asking, [])).code).toBe("needs_yes");
    expect((await run(asking, ["--no-input"], { prompts: answering(true) })).code).toBe("needs_yes");
  });

  test("answered with no is no failure, and says that nothing has changed", async () => {
    expect(await run(asking, [], { prompts: answering(false) })).toEqual({
      code: null,
      stdout: "",
      stderr: "Nothing has changed.\n",
    });
  });

  test("answered with yes goes on", async () => {
    expect((await run(asking, ["-f", "value"], { prompts: answering(true) })).stdout).toBe("dropped\n");
  });
});

describe("a missing argument", () => {
  const prompts: Prompts = {
    confirm: () => Promise.reject(new Error("not expected")),
    choose: async (_question, choices) => choices.at(-1)?.value ?? "",
    ask: async (question) => `answer to ${question}`,
  };
  const showing = (made: Parameters<typeof one>[2]): Verb =>
    verb({
      ...plain,
      arguments: { name: one("NAME", "a name", made) },
      result: result.one([column]),
      async run({ args }) {
        return args.name;
      },
    });

  test("is chosen from what there is", async () => {
    const made = showing({ complete: "flavor", ask: "Which flavor?" });
    expect((await run(made, ["-f", "value"], { prompts })).stdout).toBe("xlarge\n");
  });

  test("is asked for where there is nothing to choose from", async () => {
    expect((await run(showing({ ask: "Which name?" }), ["-f", "value"], { prompts })).stdout).toBe(
      "answer to Which name?\n",
    );
  });

  test("is a usage error where nothing exists that could be chosen", async () => {
    expect((await run(showing({ complete: "keypair" }), [], { prompts })).code).toBe("usage");
  });

  test("is a usage error with --no-input", async () => {
    expect((await run(showing({}), ["--no-input"], { prompts })).code).toBe("usage");
  });
});

describe("-q", () => {
  const noisy = (changes: boolean): Verb =>
    verb({
      ...plain,
      changes,
      result: result.one([column]),
      async run({ world }) {
        (await world()).report.note("a note");
        return "done";
      },
    });

  test("a verb that changes something prints nothing", async () => {
    expect(await run(noisy(true), ["-q"])).toEqual({ code: null, stdout: "", stderr: "" });
    expect(await run(noisy(true), [])).toEqual({ code: null, stdout: "name\tdone\n", stderr: "a note\n" });
  });

  test("a verb that only reads prints what was asked for", async () => {
    expect(await run(noisy(false), ["-q"])).toEqual({ code: null, stdout: "name\tdone\n", stderr: "" });
  });
});

test("a result on request is printed only where a format, a column or a query asks for it", async () => {
  const made = verb({ ...plain, result: result.one([column], { onRequest: true }), run: async () => "done" });
  expect((await run(made, [])).stdout).toBe("");
  expect((await run(made, ["-c", "name"])).stdout).toBe("name\tdone\n");
  expect((await run(made, ["-f", "value"])).stdout).toBe("done\n");
  expect((await run(made, ["--query", "name"])).stdout).toBe('"done"\n');
});

test("a query that its result does not go with is no malformed line where something was done", async () => {
  const made = (changes: boolean) => verb({ ...plain, changes, result: result.one([column]), run: async () => "done" });
  expect(await run(made(true), ["--query", "keys(name)"])).toMatchObject({ code: "failed", stdout: "" });
  expect(await run(made(true), ["--query", "keys("])).toMatchObject({ code: "usage" });
  expect(await run(made(false), ["--query", "keys(name)"])).toMatchObject({ code: "usage", stdout: "" });
});

test("a plan is a numbered list with commands that a shell would take, or an object", async () => {
  const plan = {
    steps: [
      { title: "Make a head", of: "web1", commands: [{ program: "qemu-img", args: ["create", "a b.qcow2"] }] },
      { title: "Stop it", commands: [{ program: "virsh", args: ["destroy", "web1"], onlyIf: "it is still on" }] },
      {
        title: "Define it",
        commands: [{ program: "virsh", args: ["define", "w.xml"], reads: "<domain>\n</domain>\n" }],
      },
    ],
    notes: ["nothing moves"],
    freesBytes: 2048,
  };
  const made = verb({ ...plain, result: result.one([column]), run: async () => plan });
  expect((await run(made, ["-n"])).stdout).toBe(
    "1. Make a head (web1)\n     qemu-img create 'a b.qcow2'\n2. Stop it\n     virsh destroy web1   # only if it is still on\n" +
      "3. Define it\n     virsh define w.xml\nNote: nothing moves\nFrees 2 KiB.\n",
  );
  expect((await run(made, ["-n", "-v"])).stdout).toContain(
    "virsh define w.xml\n     | <domain>\n     | </domain>\nNote:",
  );
  expect(JSON.parse((await run(made, ["-n", "-f", "json"])).stdout)).toEqual({
    steps: [
      {
        title: "Make a head",
        of: "web1",
        commands: [{ program: "qemu-img", args: ["create", "a b.qcow2"], only_if: null }],
      },
      {
        title: "Stop it",
        of: null,
        commands: [{ program: "virsh", args: ["destroy", "web1"], only_if: "it is still on" }],
      },
      { title: "Define it", of: null, commands: [{ program: "virsh", args: ["define", "w.xml"], only_if: null }] },
    ],
    notes: plan.notes,
    frees_bytes: 2048,
  });
});

test("steps and progress are shown on a terminal, and wiped before anything else is written", async () => {
  const made = verb({
    ...plain,
    async run({ world }) {
      const { report } = await world();
      report.progress("Copying", 0.5);
      report.note("half of it");
      report.progress("Copying", 1);
      return null;
    },
  });
  const wipe = "\r\u001b[K";
  expect((await run(made, [], { terminal: true })).stderr).toBe(
    `${wipe}Copying… 50%${wipe}half of it\n${wipe}Copying… 100%${wipe}`,
  );
  expect((await run(made, [])).stderr).toBe("half of it\n");
  expect((await run(made, [], { terminal: true, env: { TERM: "dumb" } })).stderr).toBe("half of it\n");
});

test("an interrupted verb on several targets stops at once", async () => {
  const controller = new AbortController();
  const tried: string[] = [];
  const context = {
    factory: { signal: controller.signal, takeChanged: () => false } as never,
    failure: null,
    ended: async () => {},
  };
  await expect(
    eachTarget(context, ["a", "b"], { kind: "thing", verb: "grow" }, async (name) => {
      tried.push(name);
      controller.abort();
      throw new EstratoError("interrupted", "interrupted");
    }),
  ).rejects.toMatchObject({ code: "interrupted" });
  expect(tried).toEqual(["a"]);
});
