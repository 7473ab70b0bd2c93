/** Whose store it is, as every verb says it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { fakeIds } from "../../fake/clock.ts";
import { type FakeHost, fakeHost, fakeMachine } from "../../fake/host.ts";
import { type FakeDisk, fakeDisk, fakeStore } from "../../fake/store.ts";
import { journalEntry } from "../store/samples.ts";
import { type LineOptions, runLine } from "./line.ts";

const BETA = { id: "b".repeat(32), name: "beta" };
const REFUSED = { exit: 6, stdout: "", stderr: expect.stringContaining("this store is bound to") };

function hostOf(machine = fakeMachine()): FakeHost {
  return fakeHost({ machine });
}

/** A store with a volume, first used here. */
async function used(): Promise<{ disk: FakeDisk; at: () => LineOptions & { host: FakeHost } }> {
  const [disk, machine, ids] = [fakeDisk(), fakeMachine(), fakeIds()];
  const at = () => ({ store: fakeStore({ disk }), host: hostOf(machine), ids });
  expect(await runLine(["volume", "create", "data1", "--size", "1M"], at())).toMatchObject({ exit: 0 });
  return { disk, at };
}

const LINES = [
  ["instance", "list"],
  ["volume", "delete", "data1", "-y"],
  ["keypair", "list"],
  ["flavor", "create", "one", "--vcpus", "1", "--ram", "1G", "--disk", "1G"],
  ["event", "list"],
  ["doctor"],
  ["doctor", "--repair", "-y"],
  ["usage"],
];

test.each(LINES)("on another machine %s %s touches neither the store nor libvirt", async (...words) => {
  const { disk, at } = await used();
  const before = JSON.stringify([disk.state, [...disk.journal]]);
  const there = hostOf();
  there.crash(); // every question would fail the test
  expect(await runLine(words, { ...at(), host: there, machine: BETA })).toMatchObject(REFUSED);
  expect(JSON.stringify([disk.state, [...disk.journal]])).toBe(before);
});

test("what the first machine is at is not recovered by a second one", async () => {
  const { disk, at } = await used();
  await at().store?.journal.open(journalEntry("op-0000000000000000a"));
  const before = [...disk.journal];
  for (const line of LINES) expect(await runLine(line, { ...at(), machine: BETA })).toMatchObject(REFUSED);
  expect([...disk.journal]).toEqual(before);
});

test.each([
  [true, 'to forget it: "estrato instance delete"'],
  [false, "Is it another libvirt's?"],
])("to forget an instance is advised only where its libvirt is known (bound: %s)", async (isBound, advice) => {
  const [disk, machine, ids] = [fakeDisk(), fakeMachine(), fakeIds()];
  const at = () => ({ store: fakeStore({ disk }), host: hostOf(machine), ids });
  at().host.addFile("/disks/one.qcow2");
  const uuid = at().host.addDomain({
    name: "one",
    disks: [{ device: "vda", path: "/disks/one.qcow2", format: "qcow2" }],
  });
  expect(await runLine(["instance", "adopt", "one"], at())).toMatchObject({ exit: 0 });
  machine.domains.delete(uuid);
  const state = await fakeStore({ disk }).read();
  if (!isBound) disk.state = JSON.stringify({ ...state, binding: null });
  expect(await runLine(["instance", "pause", "one"], at())).toMatchObject({
    exit: 9,
    stderr: expect.stringContaining(advice),
  });
  expect((await runLine(["doctor"], at())).stdout.includes("estrato instance delete one")).toBe(isBound);
  const gone = await runLine(["instance", "delete", "one", "-y"], at());
  expect(gone.exit).toBe(isBound ? 0 : 6);
  expect(machine.files.has("/disks/one.qcow2")).toBe(true);
});

test.each<[string, readonly string[], Record<string, string>]>([
  ["the flag", ["--connect", "test:///default"], {}],
  ["the environment", [], { ESTRATO_CONNECT: "qemu+ssh://beta/system" }],
  ["libvirt's own variable", [], { LIBVIRT_DEFAULT_URI: "qemu:///system" }],
])("another libvirt is refused, named by %s", async (_how, words, env) => {
  const { at } = await used();
  for (const line of LINES) expect(await runLine([...line, ...words], { ...at(), env })).toMatchObject(REFUSED);
});

test("check knows nothing of another's store", async () => {
  const { at } = await used();
  const { exit, stdout } = await runLine(["check"], { ...at(), machine: BETA });
  expect({ exit, stdout }).toEqual({ exit: 3, stdout: expect.stringMatching(/^UNKNOWN - .*bound to/) });
});

test("the same libvirt by another name is the same", async () => {
  const { at } = await used();
  const words = ["volume", "list", "--connect", "qemu+unix:///session"];
  expect(await runLine(words, at())).toMatchObject({ exit: 0 });
});

test("--take-over needs a yes that says what must be true, and nobody else's work is touched before", async () => {
  const { disk, at } = await used();
  const there = () => ({ ...at(), machine: BETA });
  const asked = await runLine(["doctor", "--take-over"], there());
  expect(asked).toMatchObject({ exit: 8, stderr: expect.stringMatching(/used on alpha .*must be off for good/) });
  expect(await runLine(["doctor", "--take-over", "--dry-run"], there())).toMatchObject({ exit: 0 });
  expect(await runLine(["volume", "list"], at())).toMatchObject({ exit: 0 });
  expect(await runLine(["doctor", "--take-over", "-y"], there())).toMatchObject({ exit: 0 });
  expect(await runLine(["volume", "list"], there())).toMatchObject({ exit: 0 });
  expect(await runLine(["volume", "list"], at())).toMatchObject(REFUSED);
  expect(disk.journal.size).toBe(0);
});

test("a no leaves it whose it was", async () => {
  const { at } = await used();
  const prompts = { confirm: async () => false } as unknown as NonNullable<LineOptions["prompts"]>;
  const said = await runLine(["doctor", "--take-over", "--repair"], { ...at(), machine: BETA, prompts });
  expect(said).toMatchObject({ exit: 0, stderr: "Nothing has changed.\n" });
  expect(await runLine(["volume", "list"], at())).toMatchObject({ exit: 0 });
});

test("--take-over --repair binds and goes on; where it is ours already nothing is asked", async () => {
  const { at } = await used();
  const there = { ...at(), machine: BETA };
  expect(await runLine(["doctor", "--take-over", "--repair", "-y"], there)).toMatchObject({ exit: 0 });
  expect(await runLine(["doctor", "--take-over"], there)).toMatchObject({
    exit: 0,
    stderr: expect.stringContaining("is bound to"),
  });
});

test("a copy of a store, or one that was moved, acts on nothing: its files are another folder's", async () => {
  const { disk, at } = await used();
  const copy = () => ({ ...at(), store: fakeStore({ disk, home: "/copy" }) });
  for (const line of [...LINES, ["doctor", "--take-over", "-y"]]) {
    expect(await runLine(line, copy())).toMatchObject({
      exit: 6,
      stderr: expect.stringContaining("/copy: it is the store of /fake/estrato"),
    });
  }
});

test("a machine without an id goes by its name", async () => {
  const nameless = { id: null, name: "box" };
  const disk = fakeDisk();
  const at = () => ({ store: fakeStore({ disk }), host: hostOf(), machine: nameless });
  const line = ["flavor", "create", "one", "--vcpus", "1", "--ram", "1G", "--disk", "1G"];
  expect(await runLine(line, at())).toMatchObject({ exit: 0 });
  expect(await runLine(["flavor", "list"], at())).toMatchObject({ exit: 0 });
  const other = { ...at(), machine: { id: null, name: "box2" } };
  expect(await runLine(["flavor", "list"], other)).toMatchObject(REFUSED);
});

const MISSING_USUAL = {
  exit: 6,
  stdout: "",
  stderr: expect.stringMatching(
    /^estrato: there is no store at \/fake\/estrato\. Nothing has been set up here yet; to begin: /,
  ),
};
const MISSING = {
  exit: 6,
  stdout: "",
  stderr: expect.stringMatching(/^estrato: there is no store at \/fake\/estrato\./),
};

test.each([
  ...LINES.filter(([, verb]) => verb !== "create"),
  ["flavor", "list"],
  ["snapshot", "list"],
  ["instance", "start", "web1"],
  ["doctor", "--take-over", "-y"],
  ["backup", "list"],
])("a missing store is no empty one: %s %s", async (...words) => {
  const disk = { ...fakeDisk(), isMade: false };
  expect(await runLine(words, { store: fakeStore({ disk }), host: hostOf() })).toMatchObject(MISSING);
  expect(disk).toMatchObject({ isMade: false, state: null });
});

/** What is true of a person at a terminal who has not made anything yet. */
const LOOKS = [
  ...["instance", "snapshot", "volume", "image", "flavor", "keypair", "backup", "schedule", "event"].map((noun) => [
    noun,
    "list",
  ]),
  ["instance", "top"],
  ["image", "list", "--owner", "self"],
  ["usage"],
  ["usage", "snapshot"],
  ["doctor"],
];
const NOTHING_YET = "Nothing has been set up here yet: there is no store at /fake/estrato.\n";

test.each(LOOKS)("a person who only looks at the usual store is shown an empty one: %s %s", async (...words) => {
  const disk = { ...fakeDisk(), isMade: false };
  const at = (more: object) => ({ store: fakeStore({ disk }), host: hostOf(), ...more });
  const { exit, stderr } = await runLine(words, at({ terminal: true }));
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: expect.stringMatching(new RegExp(`^${NOTHING_YET}`)) });
  const first = words[1] === "list" && !["flavor", "event"].includes(words[0] ?? "");
  if (first) expect(stderr, "how the first is made").toMatch(/: estrato [a-z]+ (create|backup|import)/);
  expect(await runLine(words, at({ terminal: false }))).toMatchObject(MISSING_USUAL);
  expect(await runLine(words, at({ terminal: true, env: { ESTRATO_HOME: "/fake/estrato" } }))).toMatchObject(MISSING);
  expect(disk).toMatchObject({ isMade: false, state: null });
});

test("what is named is not found there, and what changes something is refused, at a terminal too", async () => {
  const disk = { ...fakeDisk(), isMade: false };
  const at = () => ({ store: fakeStore({ disk }), host: hostOf(), terminal: true });
  const found = await runLine(["snapshot", "show", "web1/first"], at());
  expect(found).toMatchObject({ exit: 4, stderr: expect.stringMatching(new RegExp(`^${NOTHING_YET}estrato: `)) });
  for (const line of ["instance start web1", "snapshot prune", "doctor --repair", "volume delete d -y"])
    expect(await runLine(line.split(" "), at()), line).toMatchObject(MISSING_USUAL);
  expect(await runLine(["check"], at())).toMatchObject({ exit: 3 });
  expect(disk).toMatchObject({ isMade: false, state: null });
});

test("who has none is told of root's, where there is one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-roots-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const disk = { ...fakeDisk(), isMade: false };
  const at = (terminal: boolean, uid = 1000) => {
    return { store: fakeStore({ disk }), host: hostOf(), systemStore: folder, terminal, uid };
  };
  const line = ["snapshot", "list"];
  expect((await runLine(line, at(true))).stderr).not.toContain("Root has one");
  writeFileSync(join(folder, "state.json"), "{}");
  const roots = `Root has one, at ${folder}: put sudo before the line.`;
  expect((await runLine(line, at(true))).stderr).toContain(roots);
  expect(await runLine(line, at(false))).toMatchObject({ exit: 6, stderr: expect.stringContaining(roots) });
  expect((await runLine(line, at(true, 0))).stderr).not.toContain("Root has one");
});

test("check says UNKNOWN of a missing store", async () => {
  const store = fakeStore({ disk: { ...fakeDisk(), isMade: false } });
  expect(await runLine(["check"], { store })).toMatchObject({
    exit: 3,
    stdout: "UNKNOWN - there is no store at /fake/estrato\n",
  });
});

test("what makes things makes the store, and help, settings and completion need none", async () => {
  const disk = { ...fakeDisk(), isMade: false };
  const at = () => ({ store: fakeStore({ disk }), host: hostOf() });
  expect(await runLine(["config", "list"], at())).toMatchObject({ exit: 0 });
  expect((await runLine(["__complete", "instance", "create", "--flavor", ""], at())).stdout).toContain("tiny\t");
  expect(await runLine(["volume", "create", "d", "--size", "1M", "--dry-run"], at())).toMatchObject({ exit: 0 });
  expect(disk.isMade).toBe(false);
  expect(await runLine(["volume", "create", "d", "--size", "1M"], at())).toMatchObject({ exit: 0 });
  expect(await runLine(["volume", "list"], at())).toMatchObject({ exit: 0 });
});

test("backups are read from a target that is named, without a store, and none is made by it", async () => {
  const disk = { ...fakeDisk(), isMade: false };
  const host = hostOf();
  host.addFile("/backups/other", { format: "raw" });
  const listed = await runLine(["backup", "list", "--target", "/backups"], { store: fakeStore({ disk }), host });
  expect(listed).toMatchObject({ exit: 0 });
  expect(disk.isMade).toBe(false);
});

test("a guest of another store is told as that of this machine, or of another one, by a store that is new too", async () => {
  const [machine, ids] = [fakeMachine(), fakeIds()];
  const at = (home: string) => ({ store: fakeStore({ disk: fakeDisk(), home }), host: hostOf(machine), ids });
  hostOf(machine).addFile("/disks/one.qcow2");
  hostOf(machine).addDomain({ name: "one", disks: [{ device: "vda", path: "/disks/one.qcow2", format: "qcow2" }] });
  const adopt = ["instance", "adopt", "one"];
  expect(await runLine(adopt, at("/a"))).toMatchObject({ exit: 0 });
  expect(await runLine(adopt, at("/b"))).toMatchObject({
    exit: 5,
    stderr: expect.stringContaining("instance one: it belongs to the store /a. Use that store for it: --store /a;"),
  });
  expect(await runLine(adopt, { ...at("/a"), machine: BETA })).toMatchObject({
    exit: 5,
    stderr: expect.stringMatching(/instance one: it belongs to the store \/a of \S+\. Use that store for it, there;/),
  });
});
