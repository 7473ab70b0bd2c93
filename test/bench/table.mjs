// The rows of the bench, for a terminal and for REPORT.md.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

const FROM = "<!-- figures: npm run bench -- --report writes what follows -->";
const TO = "<!-- end of figures -->";

/** What has been measured so far. `before`: whether another build is measured beside this one. */
export function table(before) {
  const rows = [];
  const load = loadavg()[0];
  const began = performance.now();

  /**
   * `ours`: samples by the build's name. `theirs`: a sample, or one for each build. `of`: which of their figures, and
   * its unit.
   */
  function row(what, ours, against, theirs, aim = "", of = "ms") {
    const figure = (sample) => (sample === undefined ? null : sample[of === "MiB" ? "rssMiB" : "ms"]);
    const cells = ["before", "now"].map((name) => {
      const own = figure(ours[name]);
      const other = figure(theirs?.ms === undefined ? theirs?.[name] : theirs);
      return { own, other, ratio: own === null || !other ? null : own / other, cpuMs: ours[name]?.cpuMs ?? null };
    });
    rows.push({ what, against, aim, unit: of, before: cells[0], now: cells[1] });
    const [was, is] = cells.map(({ own, ratio }) => `${number(own)}${ratio === null ? "" : ` (${ratio.toFixed(2)})`}`);
    process.stdout.write(`${what}: ${before ? `${was} -> ` : ""}${is} ${of}, ${against}: ${number(cells[1].other)}\n`);
  }

  function markdown() {
    const both = (one) => (before ? [`${one} before`, `${one} now`] : [`${one} now`]);
    const titles = ["case", "against", ...both("ratio"), "aim", "unit", ...both("estrato"), "theirs", ...both("CPU")];
    const head = `| ${titles.join(" | ")} |\n|${titles.map(() => "---").join("|")}|`;
    const lines = rows.map(({ what, against, aim, unit, before: was, now }) => {
      const ratio = ({ ratio: value }) => (value === null ? "–" : value.toFixed(2));
      const cpu = ({ cpuMs }) => (unit === "ms" && cpuMs ? number(cpuMs) : "–");
      const cells = before
        ? [ratio(was), ratio(now), aim, unit, number(was.own), number(now.own), number(now.other), cpu(was), cpu(now)]
        : [ratio(now), aim, unit, number(now.own), number(now.other), cpu(now)];
      return `| ${[what, against, ...cells].join(" | ")} |`;
    });
    return [head, ...lines].join("\n");
  }

  /** Replaces the figures in the report; its text stays. */
  function report(file, { builds, words, profile, failed }) {
    const text = readFileSync(file, "utf8");
    const [start, end] = [text.indexOf(FROM), text.indexOf(TO)];
    if (start < 0 || end < start) throw new Error(`${file}: no place for the figures`);
    const about = [
      `- ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC, \`npm run bench${words}\`, ${Math.round((performance.now() - began) / 1000)} s`,
      `- ${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}; guests under software emulation`,
      `- load of the machine before the run ${load.toFixed(1)}, at its end ${loadavg()[0].toFixed(1)} (the bench alone makes 1 to 3)`,
      `- Node ${process.versions.node}, ${tools()}`,
      ...builds,
      ...failed.map((name) => `- not measured: ${name}`),
    ];
    const figures = `${about.join("\n")}\n\n${markdown()}\n\n${profile}`;
    writeFileSync(file, `${text.slice(0, start)}${FROM}\n\n${figures}\n${text.slice(end)}`);
  }

  return { row, markdown, report };
}

function tools() {
  const first = (file, ...args) => {
    try {
      return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
        .split("\n")[0]
        .trim();
    } catch {
      return `no ${file}`;
    }
  };
  const libvirt = `libvirt ${first("virsh", "--version")}`;
  const qemu = first("qemu-img", "--version").replace("qemu-img version", "QEMU");
  return `${libvirt}, ${qemu.replace(/ \(.*/, "")}, virtnbdbackup ${first("virtnbdbackup", "--version")}`;
}

function number(value) {
  if (value === null || value === undefined) return "–";
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}
