/**
 * Every verb that takes a secret, with a secret that is found wherever it is told: on both streams, in the arguments
 * of children, in the state, the journal, records and the log, and in all of these after a kill.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Verb } from "../../../src/commands/framework/tree.ts";
import { catalogue } from "../../../src/program.ts";
import { type Bed, command, copyOf, type How, TARGET } from "../core/world.ts";
import { estate, secretBackup } from "./estate.ts";
import { type LineResult, runLine } from "./line.ts";

const MARKER = "M4rker-5f0c77";
const PASSPHRASE = `pass-${MARKER}`;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-secrets-"));
  writeFileSync(join(folder, "user-data"), `#cloud-config\npassword: ${MARKER}\n`);
  const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${MARKER}\n-----END OPENSSH PRIVATE KEY-----\n`;
  writeFileSync(join(folder, "private"), key);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The options by which a secret comes in or goes out, whatever verb has them. */
const CARRIES = /passphrase|private|password|secret|user-?data|credential|token/i;

const MAKE = "instance create x --image debian12 --vcpus 1 --ram 64M --network none";
const TO = `--rotation 3 --target ${TARGET}`;
const OPEN = "--passphrase-file /key";

/** Each such option, in lines that go well and in lines that fail. FOLDER holds files. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  "instance create --user-data": [
    `${MAKE} --user-data FOLDER/user-data`,
    `${MAKE} --user-data FOLDER/user-data --ip 1.1.1.1`,
  ],
  "instance create --passphrase-file": [
    `instance create x --backup secret ${OPEN}`,
    "instance create x --backup secret --passphrase-file /wrong",
  ],
  "keypair create --private-key-file": ["keypair create k --private-key-file FOLDER/k.ID"],
  "keypair import --file": ["keypair import k --file FOLDER/private"],
  "volume create --passphrase-file": [
    `volume create x --size 1M --encrypt ${OPEN}`,
    `volume create data1 --size 1M --encrypt ${OPEN}`,
  ],
  "image save --passphrase-file": [
    `image save debian12 --file /out/x.qcow2 --encrypt ${OPEN}`,
    `image save debian12 --file /nowhere/x.qcow2 --encrypt ${OPEN}`,
  ],
  "backup create --passphrase-file": [
    `backup create web2 ${TO} --encrypt ${OPEN}`,
    `backup create web2 ${TO} --incremental --encrypt --passphrase-file /wrong`,
  ],
  "backup delete --passphrase-file": [`backup delete secret -y --target ${TARGET} ${OPEN}`],
  "backup prune --passphrase-file": [`backup prune web1 --keep-last 1 --target ${TARGET} ${OPEN}`],
  "backup extract --passphrase-file": [
    `backup extract secret /etc/fstab --to ${TARGET} ${OPEN}`,
    `backup extract secret /nosuch --to ${TARGET} --passphrase-file /wrong`,
  ],
  "backup files --passphrase-file": [`backup files secret / ${OPEN}`, `backup files secret /nosuch ${OPEN}`],
  "backup restore --passphrase-file": [
    `backup restore secret --instance x ${OPEN}`,
    "backup restore secret --instance x --passphrase-file /wrong",
  ],
  "backup verify --passphrase-file": [`backup verify secret --boot ${OPEN}`],
  "schedule create --passphrase-file": [
    `schedule create x --backup web2 --cron 0_3_*_*_* --keep-last 2 --target ${TARGET} --encrypt ${OPEN}`,
  ],
};

test("every option that carries a secret is known here: a new one stops this test", async () => {
  const found: string[] = ["keypair import --file"]; // whoever mistakes the private half for the public one
  const look = (path: string, { options }: Verb) => {
    for (const [key, option] of Object.entries(options)) {
      const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      if (CARRIES.test(key) && option.value !== null) found.push(`${path} ${flag}`);
    }
  };
  for (const [name, entry] of Object.entries(catalogue)) {
    if ("verb" in entry) continue; // all are some noun's too
    for (const [word, { load }] of Object.entries((await entry.noun()).default.verbs))
      look(`${name} ${word}`, (await load()).default);
  }
  expect(Object.keys(LINES).sort()).toEqual(found.sort());
});

/** All that is there afterwards but the places that a secret is for: its own file, libvirt's keeping, a seed. */
function left({ machine, disk }: Bed): string {
  const files = [...machine.files].map(([path, file]) => {
    const { passphrase: _, ...rest } = file;
    const isIts = path === "/key" || path === "/wrong" || path.startsWith("/fake/estrato/seeds/");
    return [path, isIts ? { ...rest, text: null } : rest];
  });
  const domains = [...machine.domains].map(([uuid, domain]) => [uuid, domain.inactive, domain.live]);
  const all = [files, domains, machine.crontab, [...machine.networks], disk];
  return JSON.stringify(all, (_, value) => (value instanceof Map ? [...value] : value));
}

let base: Promise<Bed> | undefined;

async function prepared(): Promise<Bed> {
  base ??= build();
  return copyOf(await base);
}

async function build(): Promise<Bed> {
  const on = await estate();
  await secretBackup("web2")(on);
  on.machine.folders.add("/out");
  // The backup was made with another: it is now what the file says.
  const sesame = (text: string) => text.replaceAll("sesame", PASSPHRASE);
  for (const file of on.machine.files.values()) {
    if (file.text !== null) file.text = sesame(file.text);
    if (file.passphrase !== null) file.passphrase = sesame(file.passphrase);
  }
  const wrong = on.machine.files.get("/wrong");
  if (wrong !== undefined) wrong.text = `wrong-${MARKER}`;
  return on;
}

let ids = 0;

/** What the line said, and every child that its actions stand for. */
async function ran(
  on: Bed,
  line: string,
  how: How & { readonly fault?: { readonly index: number; readonly error: Error }; readonly state?: string } = {},
): Promise<{ readonly said: string; readonly result: LineResult; readonly actions: number }> {
  const { host, store } = command(on, how);
  const children: unknown[] = [];
  const perform = host.perform;
  host.perform = async (action, options) => {
    if (how.fault?.index === children.length) throw how.fault.error;
    children.push(host.commandsFor(action));
    return perform(action, options);
  };
  ids += 1;
  const words = line.split(" ").map((word) => word.replace("FOLDER", folder).replace("ID", String(ids)));
  const result = await runLine(
    words.map((word) => word.replaceAll("_", " ")),
    { host, store, ids: on.ids, clock: on.clock, env: how.state === undefined ? {} : { XDG_STATE_HOME: how.state } },
  );
  return { said: JSON.stringify([result, children]), result, actions: children.length };
}

describe.each(Object.entries(LINES))("%s", (_, lines) => {
  test.each(lines)("%s: is told to nobody", async (line) => {
    for (const options of ["", "--trace ", "--dry-run ", "--verbose ", "-f json --trace "]) {
      const on = await prepared();
      const { said } = await ran(on, options + line);
      expect(said, options).not.toContain(MARKER);
      expect(left(on), options).not.toContain(MARKER);
    }
  });

  test("nor kept with the trace of an error that nobody expected", async () => {
    const state = join(folder, "state");
    const { actions } = await ran(await prepared(), lines[0] as string);
    for (let index = 0; ; index += 1) {
      rmSync(state, { recursive: true, force: true });
      const on = await prepared();
      const fault = { index, error: new Error("nobody expected it") };
      const { said, result } = await ran(on, lines[0] as string, { fault, state });
      const kept = existsSync(state) ? readdirSync(join(state, "estrato")) : [];
      for (const name of kept) expect(readFileSync(join(state, "estrato", name), "utf8")).not.toContain(MARKER);
      expect(said, `action ${index}`).not.toContain(MARKER);
      if (index === 0) expect(kept.length > 0).toBe(actions > 0);
      if (result.exit === 0 || kept.length === 0) break;
      if (index > 40) throw new Error(`${lines[0]}: never done`);
    }
  });

  test("nor left anywhere by a command that is killed in the middle of it", async () => {
    const line = lines[0] as string;
    const { exit } = (await ran(await prepared(), line)).result;
    for (let index = 0; ; index += 1) {
      const on = await prepared();
      const { said, result } = await ran(on, line, { crash: { at: "action", index, phase: "midway" } });
      expect(said, `action ${index}`).not.toContain(MARKER);
      expect(left(on), `action ${index}`).not.toContain(MARKER);
      if (result.exit === exit) break;
      if (index > 40) throw new Error(`${line}: never done`);
    }
  });
});

test("the private half of a new key pair is in its file, or on standard output, and nowhere else", async () => {
  const on = await prepared();
  const file = join(folder, "own");
  const { said } = await ran(on, `--trace keypair create k1 --private-key-file ${file}`);
  const [, half = "nothing"] = readFileSync(file, "utf8").split("\n");
  const { result } = await ran(on, "--trace keypair create k2");
  const [, other = "nothing"] = result.stdout.split("\n");
  expect(said).not.toContain(half);
  expect(result.stderr).not.toContain(other);
  for (const one of [half, other]) expect(left(on)).not.toContain(one);
});
