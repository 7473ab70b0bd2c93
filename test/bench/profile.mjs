// Where the time of a command goes: its children as --trace tells them, and its own code as V8's profiler sees it.
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LEAST_MS = 2;

/** A table, as Markdown. `args`: each time another line that does the same. */
export function profile({ run, folder }, build, what, args) {
  const trace = build.estrato(...args, "--trace");
  const children = {};
  for (const said of trace.stderr.split("\n")) {
    const [, words, ms] = /^\+ (.*) \(([\d.]+) ms, exit /.exec(said) ?? [];
    if (words === undefined) continue;
    const [program, verb] = words.replace(/-q -c \S+ /, "").split(" ");
    const name = program === "qemu-img" ? `${program} ${verb}` : program;
    const { ms: before, count } = children[name] ?? { ms: 0, count: 0 };
    children[name] = { ms: before + Number(ms), count: count + 1 };
  }
  const profiles = join(folder, `profile-${readdirSync(folder).length}`);
  mkdirSync(profiles);
  const whole = run(process.execPath, ["--cpu-prof", "--cpu-prof-dir", profiles, build.program, ...args], {
    more: build.env,
  });
  const own = {};
  for (const name of readdirSync(profiles)) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(profiles, name), "utf8"));
    const kinds = new Map(nodes.map(({ id, callFrame }) => [id, kindOf(callFrame)]));
    samples.forEach((id, index) => {
      const kind = kinds.get(id);
      own[kind] = (own[kind] ?? 0) + timeDeltas[index] / 1000;
    });
  }
  const lines = [
    ...Object.entries(own)
      .sort((a, b) => b[1] - a[1])
      .map(([kind, ms]) => [kind, ms]),
    ...Object.entries(children)
      .sort((a, b) => b[1].ms - a[1].ms)
      .map(([name, { ms, count }]) => [`child: ${name}, ${count} ×`, ms]),
  ].filter(([, ms]) => ms >= LEAST_MS);
  return [
    `Where the time of \`${what}\` goes (${whole.ms.toFixed(0)} ms under the profiler; children may run at one time, while we work):\n`,
    "| what | ms |",
    "|---|---|",
    ...lines.map(([name, ms]) => `| ${name} | ${ms.toFixed(0)} |`),
  ].join("\n");
}

function kindOf({ functionName, url }) {
  if (functionName === "(idle)") return "waiting for children and the disk";
  if (functionName === "(garbage collector)") return "garbage collection";
  if (functionName === "(program)" || functionName === "(root)") return "V8 and the kernel (start, spawning, files)";
  if (url === "" || url.startsWith("node:")) return "Node's own modules and built-ins";
  return "our own code and packages";
}
