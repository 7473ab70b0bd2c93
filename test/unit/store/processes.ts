/** Bundles program.ts once, and starts it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { buildOptions } from "../../../build.mjs";

/** Bundles program.ts into `folder`, as the program is bundled that ships; gives the path of what node can start. */
export async function bundleProgram(folder: string): Promise<string> {
  const entryPoints = [join(import.meta.dirname, "program.ts")];
  await build({ ...buildOptions, entryPoints, outdir: folder, outExtension: { ".js": ".mjs" } });
  return join(folder, "program.mjs");
}

export interface Running {
  readonly child: ChildProcess;
  /** Lines of stdout so far. */
  readonly lines: readonly string[];
  /** Resolves when such a line has come; rejects when the process ends without it. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the process has ended and all its lines are there. */
  readonly ended: Promise<void>;
}

/** Starts a program without a shell; its stderr is the test's. */
export function start(file: string, ...args: string[]): Running {
  const { NODE_EXTRA_CA_CERTS: _costs37MsPerStart, ...env } = process.env;
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"], env });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  const ended = Promise.all([once(child, "close"), once(reader, "close")]).then(() => {});
  return {
    child,
    lines,
    ended,
    async line(pattern) {
      for (;;) {
        for (const line of lines) {
          const match = pattern.exec(line);
          if (match !== null) return match;
        }
        const next = await Promise.race([once(reader, "line"), ended]);
        if (next === undefined && !lines.some((line) => pattern.test(line))) {
          throw new Error(`ended without a line like ${pattern}: ${lines.join(" | ")}`);
        }
      }
    },
  };
}
