/** Each example does what it says, on a fake host where there is what it speaks of. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseLine } from "../../../src/commands/framework/parse.ts";
import { resolve } from "../../../src/commands/framework/resolve.ts";
import { catalogue } from "../../../src/program.ts";
import { fakeClock, fakeIds } from "../../fake/clock.ts";
import { sumOf } from "../../fake/host-files.ts";
import { newFile } from "../../fake/host-images.ts";
import { command, newEstate } from "../core/instances/world.ts";
import { type Bed, UUID } from "../core/world.ts";
import { allExamples } from "./examples.ts";
import { type LineResult, runLine } from "./line.ts";

/** Those that need somebody in the guest, at the terminal or behind the pipe: guest tests and the demo run these. */
const IN_A_GUEST =
  /^(instance (ssh|console|screenshot|log|exec|push|pull)|wait|image (create|save) \S+ --file -)( |$)|--wait |--boot/;

const PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ana@here\n";
const TARGET = "/mnt/backup";
const home = mkdtempSync(join(tmpdir(), "estrato-examples."));
const before = process.cwd();

/** What the examples speak of, from the first to the last. */
const WORLD = [
  ...["ada", "ana", "teacher"].map((name) => `keypair import ${name} --file ${name}.pub`),
  ...["extra", "data1", "data2"].map((name) => `volume create ${name} --size 1M`),
  "snapshot create --volume data1 monday",
  "flavor create db --vcpus 4 --ram 8G --disk 100G",
  "instance create web1 --image debian12 --vcpus 1 --ram 256M --key-name mykey --volume extra",
  ...["web2", "template", "db1", "pc-1", "pc-2", "lab-1", "lab-2", "web-1", "web-2"].map(
    (name) => `instance create ${name} --image debian12 --vcpus 1 --ram 256M`,
  ),
  ...["before-upgrade", "clean", "a", "before", "monday", "s1", "start"].map((name) => `snapshot create web1 ${name}`),
  ...["one", "start"].map((name) => `snapshot create pc-1 ${name}`),
  "snapshot revert pc-1/one",
  "snapshot create web2 clean",
  ...["golden", "gold"].map((name) => `image create ${name} --from-snapshot web2/clean`),
  "image create lesson1 --from-instance template",
  `backup web1 --rotation 9 --type daily --name before-upgrade`,
  `backup web1 --rotation 9 --type daily --incremental --name nightly`,
  ...["nightly", "web1-nightly"].map((name) => `schedule create ${name} --backup web1 --cron 3_3_*_*_* --rotation 7`),
];

/** What is done before those that need another beginning. */
const FIRST: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^snapshot unrevert web1/, ["snapshot revert web1/before-upgrade"]],
  [/^instance rebuild web1 --image debian13/, ["image create debian13 --from-snapshot web2/clean"]],
  [/--filter properties.class=asir1/, ["instance set web1 --property class=asir1"]],
  [/^snapshot revert --filter properties/, ["snapshot delete web1/clean", "snapshot create web1 clean"]],
  [/--filter image=lesson1/, ["instance create pupil-1 --image lesson1 --vcpus 1 --ram 256M"]],
  [/^snapshot revert --filter image/, ["snapshot create pupil-1 start"]],
  [/^snapshot create --filter properties/, ["snapshot delete web1/clean"]],
  [/^unshelve/, ["shelve web1 pc-1 pc-2 lab-1 lab-2"]],
  [/--as-it-was/, ["instance delete web1 -y", "volume delete extra -y"]],
  [/^image unshare .*--with/, ["image share golden --with bob"]],
  [/^(instance resize (?!.*--restart)|instance set web1 --name)/, ["instance stop web1"]],
  [
    /^instance set .*--(no-)?forward/,
    ["instance delete web1 -y", "instance create web1 --image debian12 --network user"],
  ],
  [/^volume attach/, ["snapshot delete web1/before-upgrade --children -y"]],
];

beforeAll(() => {
  mkdirSync(join(home, ".ssh"));
  for (const file of [".ssh/id_ed25519.pub", "ada.pub", "ana.pub", "teacher.pub"])
    writeFileSync(join(home, file), PUBLIC_KEY);
});
afterAll(() => {
  process.chdir(before);
  rmSync(home, { recursive: true });
});

/** A line as a process of its own, in the folder where the examples are typed. */
function run(on: Bed, words: readonly string[]): Promise<LineResult> {
  const { host, store } = command(on);
  const env = { ESTRATO_BACKUP_TARGET: TARGET };
  return runLine(words, { host, store, ids: on.ids, clock: on.clock, env });
}

async function mustDo(on: Bed, line: string): Promise<string> {
  const { exit, stdout, stderr } = await run(
    on,
    line.split(" ").map((word) => word.replaceAll("_", " ")),
  );
  if (exit !== 0) throw new Error(`${line}: ${exit}: ${stderr}`);
  return stdout;
}

/** What Ubuntu's server of images gives, as the manual takes it. */
function serveNoble({ machine }: Bed): void {
  const folder = "https://cloud-images.ubuntu.com/noble/current";
  const name = "noble-server-cloudimg-amd64.img";
  const image = newFile({ sizeBytes: 65536 });
  const hex = sumOf({ ...machine, files: new Map([["served", image]]) }, "served", "sha256");
  machine.web.set(`${folder}/${name}`, { image });
  machine.web.set(`${folder}/SHA256SUMS`, { text: `${hex} *${name}\n` });
  machine.web.set(`${folder}/SHA256SUMS.gpg`, {
    text: "signed with /usr/share/keyrings/ubuntu-cloudimage-keyring.gpg",
  });
}

async function build(): Promise<Bed> {
  const on: Bed = { ...newEstate(), clock: fakeClock() };
  const { host } = command(on);
  on.machine.users.push({ name: "bob", uid: 3004, home: "/home/bob" });
  for (const file of ["debian-12.qcow2", "debian-12-generic-amd64.qcow2", "d.qcow2", "/disks/legacy.qcow2"])
    host.addFile(join(home, file), { content: { 0: "boot" } });
  serveNoble(on);
  host.addFile(join(home, "data3.key"), { format: "raw", text: "sesame\n" });
  host.addDomain({
    name: "legacy",
    uuid: UUID,
    disks: [{ device: "vda", path: join(home, "/disks/legacy.qcow2"), format: "qcow2" }],
  });
  for (const file of [
    "/usr/local/sbin/mount-usb",
    "/usr/local/sbin/umount-usb",
    "/usr/bin/node",
    "/opt/estrato/bin/estrato",
  ])
    host.addFile(file, { mode: 0o755, uid: 0 });
  for (const folder of [TARGET, "/srv/backup", "/mnt/usb", "/mnt/archive", "/sys/class/net/br0/bridge"])
    on.machine.folders.add(folder);
  for (const line of WORLD) {
    on.clock.advance(60_000);
    await mustDo(on, line);
    for (const name of ["web1", "pc-1"])
      if ([...on.machine.domains.values()].some(({ live }) => live?.includes(`<name>${name}</name>`)))
        host.guestWrite(name, "vda", 1, `after ${line}`);
  }
  return on;
}

test("the program takes every line that README, manual and help show", async () => {
  const refused: string[] = [];
  const examples = await allExamples();
  for (const { from, line, words, inText } of examples) {
    try {
      const found = await resolve(catalogue, words);
      if (found.is === "verb") await parseLine(found.path.join(" "), (await found.load()).default, found.words);
    } catch (error) {
      const { message } = error as Error;
      if (!inText || !message.endsWith("missing")) refused.push(`${from}: ${line}: ${message}`);
    }
  }
  expect(refused).toEqual([]);
  expect(examples.length).toBeGreaterThan(300);
});

test("every example that changes something, and all that need no guest, do so on a fake host", async () => {
  process.chdir(home);
  try {
    const made = await build();
    const newest = (await mustDo(made, "backup list web1 -f value -c id")).split("\n")[0] ?? "";
    const failed: string[] = [];
    const shown = (await allExamplesAt(before)).filter((line) => !IN_A_GUEST.test(line.join(" ")));
    for (const words of shown) {
      const on = copyOf(made);
      const line = words.join(" ");
      for (const [, lines] of FIRST.filter(([pattern]) => pattern.test(line)))
        for (const one of lines) await mustDo(on, one);
      const { exit, stderr } = await answered(
        on,
        words.map((word) => word.replace("bak-0123456789abcdef0", newest)),
      );
      if (exit !== 0) failed.push(`${line}: ${exit}: ${stderr.trim().split("\n").at(-1)}`);
    }
    expect(failed).toEqual([]);
    expect(shown.length).toBeGreaterThan(180);
  } finally {
    process.chdir(before);
  }
});

/** Of what needs a yes, with it; of what makes a thing of a name that there is, under another name. */
async function answered(on: Bed, words: readonly string[]): Promise<LineResult> {
  const result = await run(on, words);
  if (result.exit === 8) return run(on, [...words, "-y"]);
  const taken = /: the name is taken/.test(result.stderr);
  const operands = { snapshot: words.includes("--volume") ? 3 : 2 }[words[0] ?? ""] ?? 1;
  const at = words.findIndex((word) => word === "create" || word === "import") + operands;
  return taken ? run(on, words.with(at, `${words[at]}-2`)) : result;
}

/** The words of each line, once, as a shell in the folder would hand them on. */
async function allExamplesAt(root: string): Promise<string[][]> {
  process.chdir(root);
  const all = (await allExamples()).filter(({ inText }) => !inText);
  process.chdir(home);
  const lines = new Set(all.map(({ words }) => JSON.stringify(words)));
  return [...lines].map((text) =>
    (JSON.parse(text) as string[]).map((word) => word.replace(/^~\//, `${home}/`).replace("$vm", "web1")),
  );
}

function copyOf({ machine, disk, clock }: Bed): Bed {
  const ids = fakeIds();
  return {
    machine: structuredClone(machine),
    disk: structuredClone(disk),
    clock: fakeClock(clock.now().toISOString()),
    ids: {
      next: (prefix) => ids.next(prefix).replace("-0", "-f"),
      uuid: () => ids.uuid().replace("0000-4", "1111-4"),
      mac: () => ids.mac().replace("54:00:00", "54:00:11"),
    },
  };
}
