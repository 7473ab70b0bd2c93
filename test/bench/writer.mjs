// What a guest sees: shell lines in it, by its agent, and a loop that writes to its disk and says so on its console.
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";

const SETTLED_MS = 300;
const PATIENCE_MS = 60_000;

function agent(name, command) {
  const said = execFileSync("virsh", ["-q", "qemu-agent-command", name, JSON.stringify(command), "--block"], {
    encoding: "utf8",
  });
  return JSON.parse(said).return;
}

function begin(name, line) {
  const shell = { path: "/bin/sh", arg: ["-c", line], "capture-output": true };
  return agent(name, { execute: "guest-exec", arguments: shell }).pid;
}

/** What the line prints. Throws where it fails. */
export function inGuest(_tools, name, line) {
  const pid = begin(name, line);
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; ) {
    const ended = agent(name, { execute: "guest-exec-status", arguments: { pid } });
    if (!ended.exited) {
      execFileSync("sleep", ["0.1"]);
      continue;
    }
    const text = (key) => Buffer.from(ended[key] ?? "", "base64").toString("utf8");
    if (ended.exitcode !== 0) throw new Error(`${name}: ${line}: ${text("err-data")}`);
    return text("out-data");
  }
  throw new Error(`${name}: ${line}: it does not end`);
}

/**
 * From now on the guest writes a line to its disk, waits until that is there (its root is mounted `sync`), and prints
 * it, again and again: builtins of its shell, without a process each. Returns the log of its console.
 */
export function startWriter({ virsh }, name) {
  inGuest(null, name, "mount -o remount,sync /");
  begin(name, "exec 3>/written; i=0; while :; do i=$((i+1)); echo $i >&3; echo $i >/dev/ttyS0; done");
  return /<log file='([^']*)'/.exec(virsh("dumpxml", name).stdout)[1];
}

/**
 * The longest time in milliseconds between two lines of the log that overlaps with `work`. Told by this host's clock:
 * the guest's own stands still when the guest does.
 */
export async function longestStall(log, work) {
  const seen = [];
  let size = statSync(log).size;
  const timer = setInterval(() => {
    const now = statSync(log).size;
    if (now === size) return;
    size = now;
    seen.push(performance.now());
  }, 1);
  try {
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    if (seen.length === 0) throw new Error(`${log}: the guest does not write`);
    const began = performance.now();
    await work();
    const ended = performance.now();
    for (const until = ended + PATIENCE_MS; (seen.at(-1) ?? 0) < ended; ) {
      if (performance.now() > until) throw new Error(`${log}: the guest writes no more`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return seen.reduce((most, at, index) => (index > 0 && at > began ? Math.max(most, at - seen[index - 1]) : most), 0);
  } finally {
    clearInterval(timer);
  }
}
