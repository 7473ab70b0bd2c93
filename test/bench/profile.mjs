// Where the time of a command goes: its children as --trace tells them, and its own code as V8's profiler sees it.
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const LEAST_MS = 2;
const INTERVAL_US = 200;

/** A table, as Markdown. `line`: the words of one line, and of another that does the same. */
export function profile({ run, folder }, build, what, line) {
  const trace = build.estrato(...line("traced"), "--trace");
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
  const how = ["--cpu-prof", "--cpu-prof-interval", String(INTERVAL_US), "--cpu-prof-dir", profiles];
  const whole = run(process.execPath, [...how, build.program, ...line("profiled")], { more: build.env });
  const own = {};
  const chunkOf = chunksOf(join(build.place, "dist"));
  for (const name of readdirSync(profiles)) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(profiles, name), "utf8"));
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    const parents = new Map(nodes.flatMap(({ id, children: all = [] }) => all.map((child) => [child, id])));
    const kinds = new Map(nodes.map(({ id }) => [id, kindOf(stackOf(id, frames, parents), chunkOf)]));
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

/** What was running, and who had called it. */
function stackOf(id, frames, parents) {
  const stack = [];
  for (let at = id; at !== undefined; at = parents.get(at)) stack.push(frames.get(at));
  return stack;
}

/** Of what package a file of the program is: each has its own. By what stands in them, since their names are sums. */
function chunksOf(dist) {
  const texts = { xmldom: "@xmldom/xmldom/lib/dom.js", valibot: '"~run"' };
  const found = new Map();
  return (url) => {
    const name = basename(url);
    if (!found.has(name)) {
      const text = /^[\w-]+\.js$/.test(name) ? readFileSync(join(dist, name), "utf8") : "";
      found.set(name, Object.keys(texts).find((one) => text.includes(texts[one])) ?? "own");
    }
    return found.get(name);
  };
}

/** Functions of src/store/ that the state comes in and goes out by. */
const READ = ["storedIn", "rowsIn", "entriesNaming", "linesIn", "lineIn", "rowIn", "bareTable", "frozen"];
const STATE = [...READ, "changeOf", "stateBytes", "faultOf"];

/** `stack`: what was running, and who had called it. */
function kindOf(stack, chunkOf) {
  const [{ functionName, url }] = stack;
  if (functionName === "(idle)") return "waiting for children and the disk";
  if (functionName === "(garbage collector)") return "garbage collection";
  if (functionName === "(program)" || functionName === "(root)") return "V8 and the kernel";
  const has = (name) => stack.some((frame) => frame.functionName === name);
  if (has("ChildProcess.spawn") || has("spawnSync")) return "starting children";
  const isNode = (frame) => frame.url === "" || frame.url.startsWith("node:");
  const nearest = stack.find((frame) => !isNode(frame));
  const chunk = nearest === undefined ? null : chunkOf(nearest.url);
  if (chunk === "xmldom") return "xmldom";
  if (chunk === "valibot" || STATE.some(has)) return "the state: read, checked, written (valibot)";
  if (nearest === undefined || has("load") || has("compileForInternalLoader"))
    return "starting Node and loading modules";
  return isNode({ url }) ? "Node's own modules and built-ins" : "our own code";
}
