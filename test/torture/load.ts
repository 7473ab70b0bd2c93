/**
 * `npm run torture -- load`, inside a bed: very many commands at the same time. All end, with a code of the table; what
 * was reported done is there; doctor finds nothing.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Ran, sure } from "../e2e/processes.ts";
import { diceOf } from "./dice.ts";
import { Ground } from "./ground.ts";
import { look } from "./seen.ts";

const SMALL = ["--vcpus", "1", "--ram", "64M", "--network", "none", "--no-start"];
const CODES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const INSTANCES = 10;
const COMMANDS = 100;
/** Cron starts them all in one minute, and the kernel lets so many run. */
const AT_ONCE = 40;

interface Ended extends Ran {
  readonly words: readonly string[];
}

export interface Load {
  readonly seed: number;
  /** Those alone; all, if none is named. */
  readonly parts: readonly string[];
  /** How many are due at one minute. */
  readonly schedules: number;
}

/** Returns what may not be; nothing: all held. */
export async function load(scratch: string, wished: Load, say: Say): Promise<string[]> {
  const ground = await Ground.lay(scratch);
  const wrong: string[] = [];
  try {
    await tenInstances(ground);
    for (const [name, part] of Object.entries(PARTS)) {
      if (wished.parts.length > 0 && !wished.parts.includes(name)) continue;
      const began = performance.now();
      const found = [...(await part(ground, wished, say)), ...(await isSound(ground))];
      say(`${name}: ${Math.round((performance.now() - began) / 1000)} s, ${found.length} wrong`);
      wrong.push(...found.map((one) => `${name}: ${one}`));
    }
  } finally {
    await ground.clear();
  }
  return wrong;
}

const PARTS = {
  commands: (ground: Ground, { seed }: Load, say: Say) => hundred(ground, seed, COMMANDS, say),
  locks: withoutLocks,
  stores: twoStores,
  schedules,
};
type Say = (line: string) => void;

const instance = (index: number) => `w${index}`;

async function tenInstances(ground: Ground): Promise<void> {
  const file = join(ground.others, "base.raw");
  await sure("qemu-img", "create", "-q", "-f", "raw", file, "2M");
  await ok(ground, ["image", "create", "base", "--file", file, "--disk-format", "raw"]);
  for (let index = 0; index < INSTANCES; index += 1)
    await ok(ground, ["instance", "create", instance(index), "--image", "base", ...SMALL]);
}

async function ok(ground: Ground, words: readonly string[]): Promise<Ran> {
  const ran = await ground.run(words);
  if (ran.code !== 0) throw new Error(`estrato ${words.join(" ")}: exit ${ran.code}: ${ran.stderr}`);
  return ran;
}

/** All of them, so many at a time; `tell` hears how many have ended. */
async function together(
  ground: Ground,
  lines: readonly (readonly string[])[],
  atOnce: number,
  tell: (count: number) => void = () => undefined,
): Promise<Ended[]> {
  const ended: Ended[] = [];
  const left = [...lines];
  const one = async () => {
    for (let words = left.shift(); words !== undefined; words = left.shift()) {
      ended.push({ words, ...(await ground.ended(words)) });
      tell(ended.length);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return ended;
}

function told(ended: readonly Ended[], say: Say): string[] {
  const codes = new Map<string, number>();
  for (const { code, signal } of ended) codes.set(`${signal ?? code}`, (codes.get(`${signal ?? code}`) ?? 0) + 1);
  const counts = [...codes].sort().map(([code, count]) => `${count} with ${code}`);
  say(`  ended with: ${counts.join(", ")}`);
  return ended.flatMap(({ words, code, stderr }) =>
    CODES.includes(code ?? -1) && !/fault in estrato/.test(stderr)
      ? []
      : [`estrato ${words.join(" ")}: exit ${code}: ${stderr.trim()}`],
  );
}

async function hundred(ground: Ground, seed: number, count: number, say: Say): Promise<string[]> {
  const dice = diceOf(seed, count);
  const lines = Array.from({ length: count }, (_, index) => {
    const name = instance(dice.below(INSTANCES));
    const target = ground.targets[dice.below(2)] as string;
    const wait = ["--lock-timeout", dice.chance(70) ? "300s" : "0s"];
    const id = `${count}-${index}`;
    const all = [
      ["snapshot", "create", name, `s${id}`],
      ["snapshot", "create", name, `s${id}`],
      ["backup", "create", name, "--name", `b${id}`, "--target", target, "--rotation", "9", "--incremental"],
      ["image", "create", `i${id}`, "--from-instance", name],
      ["instance", "create", `n${id}`, "--image", "base", ...SMALL],
      ["volume", "create", `v${id}`, "--size", "1M"],
      ["snapshot", "list"],
      ["instance", "set", name, "--property", `p${id}=1`],
    ];
    return [...(dice.pick(all) as string[]), ...wait];
  });
  const ended = await together(ground, lines, count);
  return [...told(ended, say), ...(await isThere(ground, ended))];
}

/** Lock files vanish under them, as where a person clears a folder of empty files. */
async function withoutLocks(ground: Ground, { seed }: Load, say: Say): Promise<string[]> {
  const folder = join(ground.home, "locks");
  let removed = 0;
  const timer = setInterval(() => {
    for (const name of readdirSync(folder)) {
      rmSync(join(folder, name), { force: true });
      removed += 1;
    }
  }, 40);
  const wrong = await hundred(ground, seed, 50, say).finally(() => clearInterval(timer));
  say(`  ${removed} lock files removed`);
  return wrong;
}

/** What a line that ended with 0 has made. */
async function isThere(ground: Ground, ended: readonly Ended[]): Promise<string[]> {
  const { state, backups } = look(ground);
  const names = {
    snapshot: Object.values(state.snapshots).map(({ name }) => name),
    image: Object.values(state.images).map(({ name }) => name),
    instance: Object.values(state.instances).map(({ name }) => name),
    volume: Object.values(state.volumes).map(({ name }) => name),
    backup: [...backups.values()].map(({ name }) => name),
  };
  return ended.flatMap(({ words, code }) => {
    const [noun = "", verb, ...rest] = words;
    if (code !== 0) return [];
    if (verb !== "create" && verb !== "set") return [];
    const key = `${rest[2]}`.split("=")[0] ?? "";
    const isSet = Object.values(state.instances).some(({ name, properties }) => name === rest[0] && key in properties);
    if (verb === "set") return isSet ? [] : [`${words.join(" ")} was done, and is not there`];
    const name = noun === "snapshot" ? rest[1] : noun === "backup" ? rest[2] : rest[0];
    return names[noun as keyof typeof names].includes(name ?? "")
      ? []
      : [`${words.join(" ")} was done, and is not there`];
  });
}

async function twoStores(ground: Ground, _: Load, say: Say): Promise<string[]> {
  const [target] = ground.targets;
  const second = join(ground.folder, "second");
  const file = join(ground.others, "base.raw");
  await ok(ground, ["--store", second, "image", "create", "base", "--file", file, "--disk-format", "raw"]);
  for (const name of ["x0", "x1"])
    await ok(ground, ["--store", second, "instance", "create", name, "--image", "base", ...SMALL]);
  const backup = (name: string, index: number) => [
    "backup",
    "create",
    name,
    "--name",
    `two${index}`,
    "--target",
    target,
    "--rotation",
    "3",
    "--incremental",
  ];
  const wait = ["--lock-timeout", "300s"];
  const lines = Array.from({ length: 24 }, (__, index) =>
    index % 2 === 0
      ? [...backup(instance((index / 2) % 4), index), ...wait]
      : ["--store", second, ...backup(`x${((index - 1) / 2) % 2}`, index), ...wait],
  );
  const ended = await together(ground, lines, lines.length);
  const wrong = told(ended, say);
  const newest = ended.filter(({ code, words }) => code === 0 && words.includes("create"));
  if (newest.length === 0) wrong.push("no backup was taken");
  for (const store of [ground.home, second]) {
    const { code, stderr, stdout } = await ground.run([
      "--store",
      store,
      "backup",
      "verify",
      "--all",
      "--target",
      target,
    ]);
    if (code !== 0) wrong.push(`backup verify of ${store}: exit ${code}: ${stderr}${stdout}`);
  }
  for (const name of ["x0", "x1"]) await ok(ground, ["--store", second, "instance", "delete", name, "-y"]);
  return wrong;
}

async function schedules(ground: Ground, wished: Load, say: Say): Promise<string[]> {
  const names = Array.from({ length: wished.schedules }, (__, index) => `n${index}`);
  for (const [index, name] of names.entries()) {
    const what = ["--snapshot", instance(index % INSTANCES), "--keep-last", "1", "--lock-timeout", "30m"];
    await ok(ground, ["schedule", "create", name, "--cron", "0 3 * * *", ...what]);
  }
  say(`  ${names.length} schedules made`);
  const began = performance.now();
  const ended = await together(
    ground,
    names.map((name) => ["schedule", "run", name]),
    AT_ONCE,
    (count) => {
      if (count % 100 === 0) say(`  ${count} have ended, after ${Math.round((performance.now() - began) / 1000)} s`);
    },
  );
  return told(ended, say);
}

async function isSound(ground: Ground): Promise<string[]> {
  const { code, stdout, stderr } = await ground.run(["doctor", "--repair", "-y", "--lock-timeout", "60s"]);
  if (code !== 0) return [`doctor --repair: exit ${code}: ${stderr} ${stdout}`];
  const again = await ground.run(["doctor", "-f", "json"]);
  return again.stdout.trim() === "[]" ? [] : [`doctor: ${again.stdout}`];
}
