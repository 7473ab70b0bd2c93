/** Programs that the tests run. */
import { execFile } from "node:child_process";

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; never throws for what it answers. */
export function run(file: string, args: readonly string[], env: Record<string, string> = {}, input = ""): Promise<Ran> {
  return new Promise((done) => {
    const child = execFile(
      file,
      args,
      { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024, encoding: "utf8" },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : null;
        done({ code, signal: error?.signal ?? null, stdout, stderr });
      },
    );
    child.stdin?.on("error", () => undefined); // a program that reads nothing may be gone before we write
    child.stdin?.end(input);
  });
}

/** The same, which must succeed. Returns stdout without the last newline. */
export async function sure(file: string, ...args: string[]): Promise<string> {
  const ran = await run(file, args);
  if (ran.code !== 0) throw new Error(`${file} ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
  return ran.stdout.replace(/\n$/, "");
}
