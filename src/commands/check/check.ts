import { resolve } from "node:path";
import type { Judgement, Limits } from "../../core/check/judge.ts";
import type { World } from "../../core/ports.ts";
import { ChildExit } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { optional } from "../framework/arguments.ts";
import { replaceFile } from "../framework/files.ts";
import { count, duration, size, text } from "../framework/options.ts";
import { verb } from "../framework/verb.ts";

const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;

export default verb({
  description:
    "For monitoring: prints one line and exits as Nagios and its kin expect. It looks at the age of the last good backup or snapshot of each schedule " +
    "against its times, how many are kept, the space left in the store and in the targets, how high the chains of layers are, operations " +
    "that were interrupted, and instances that still read from the backup that they were booted from. With INSTANCE it looks at what concerns that one.\n\n" +
    "A schedule that missed one run is a warning, two are critical. What counts is what is there: a backup that somebody removed, or whose " +
    "manifest is damaged or that was found damaged, is none, and a damaged one is a warning.",
  arguments: { instance: optional("INSTANCE", "only this instance", { complete: "instance" }) },
  options: {
    grace: duration("how much later than due a run may be", { default: HOUR_MS }),
    warningAge: duration("warn where the last good one is older, whatever its schedule"),
    criticalAge: duration("the same, critical"),
    leastKept: count("warn where a schedule keeps fewer", { least: 0, default: 0 }),
    warningFree: size("warn where less space is left", { default: 2 * GIB }),
    criticalFree: size("critical where less is left", { default: GIB / 2 }),
    warningLayers: count("warn where a chain is so high", { default: 16 }),
    criticalLayers: count("critical where it is so high", { default: 23 }),
    prometheus: text("FILE", "write the same for node_exporter's textfile collector: a name that ends in .prom", {
      complete: "file",
    }),
  },
  changes: false,
  needsStore: true,
  withoutSettings: true, // those that are damaged are what it cannot look by
  examples: [
    { line: "estrato check", says: "the whole host" },
    { line: "estrato check web1 --critical-age 2d", says: "one instance" },
    {
      line: "estrato check --prometheus /var/lib/prometheus/node-exporter/estrato.prom",
      says: "from cron, for Prometheus",
    },
  ],
  exits: { 0: "OK", 1: "WARNING", 2: "CRITICAL, or a malformed line", 3: "UNKNOWN: it cannot be looked at" },
  async run({ args, options, world, streams, factory, globals }) {
    const { nagiosLine, statusText } = await import("./nagios.ts");
    let level: Judgement["level"];
    let core: World | null = null;
    const tell = async (text: string): Promise<void> => {
      if (options.prometheus === null || globals.dryRun) return;
      const path = resolve(options.prometheus);
      // The collector runs as another user. Without a store there is no host to write it.
      if (core === null) await replaceFile(path, text, 0o644);
      else await core.host.perform({ do: "write-file", path, text, mode: 0o644 });
    };
    try {
      const [{ measure }, { judge }] = await Promise.all([
        import("../../core/check/measure.ts"),
        import("../../core/check/judge.ts"),
      ]);
      core = await world();
      const { grace, warningAge, criticalAge, leastKept, warningFree, criticalFree } = options;
      const limits: Limits = {
        graceMs: grace,
        warningAgeMs: warningAge,
        criticalAgeMs: criticalAge,
        leastKept,
        warningFreeBytes: warningFree,
        criticalFreeBytes: criticalFree,
        warningLayers: options.warningLayers,
        criticalLayers: options.criticalLayers,
      };
      const facts = await measure(core, args.instance);
      const judgement = judge(facts, limits, args.instance);
      if (options.prometheus !== null) await tell((await import("./prometheus.ts")).prometheusText(facts, judgement));
      streams.stdout.write(nagiosLine(facts, limits, judgement));
      level = judgement.level;
    } catch (error) {
      if (factory.signal.aborted) throw error;
      // Whoever reads that file alone would go on with what was so when it was written last.
      await tell((await import("./prometheus.ts")).prometheusUnknown(factory.clock.now())).catch(() => undefined);
      streams.stdout.write(`${statusText(3, wordsOf(error))}\n`);
      level = 3;
    }
    if (level > 0) throw new ChildExit(level);
  },
});
