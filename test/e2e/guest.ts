/**
 * Shell lines in the guests of the tests: by their agent, at a fraction of what ssh costs an emulated guest, and by
 * ssh, as people do it.
 */

import { PATIENCE_MS, pauses } from "../wait.ts";
import { type Ran, run } from "./processes.ts";
import { tryVirsh } from "./virsh.ts";

/** Enough for the guest, and little: several run side by side. */
export const small = ["--vcpus", "1", "--ram", "128M"];

/**
 * Of a line that has not been carried out, since nobody was there, or file systems are frozen: it may be sent again.
 */
const NOT_YET = /not (connected|responding|available)|frozen|[Ff]ailed to connect|[Cc]annot recv|disabled/;

/** One of the guest's agent, of libvirt at `uri` if it is not the usual. Returns what is in "return". */
export type Agent = (instance: string, command: object) => Promise<Ran>;

export const systemAgent: Agent = (instance, command) => tryVirsh(...agentCommand(instance, command));

/**
 * For virsh. Waits for the answer as long as it takes: the agent forgets what has ended when it has told it once, and
 * an answer that comes too late is told to nobody.
 */
export const agentCommand = (instance: string, command: object): string[] => [
  "qemu-agent-command",
  instance,
  JSON.stringify(command),
  "--block",
];

/** Runs a shell line as root and returns its stdout; waits until the agent answers. Throws where the line fails. */
export async function byAgent(agent: Agent, instance: string, line: string): Promise<string> {
  const shell = { path: "/bin/sh", arg: ["-c", `cd /root; export HOME=/root; ${line}`], "capture-output": true };
  const { pid } = await answer(agent, instance, { execute: "guest-exec", arguments: shell });
  for await (const _ of pauses(PATIENCE_MS)) {
    const ended = await answer(agent, instance, { execute: "guest-exec-status", arguments: { pid } });
    if (ended.exited !== true) continue;
    const text = (key: string) => Buffer.from(String(ended[key] ?? ""), "base64").toString("utf8");
    if (ended.exitcode !== 0)
      throw new Error(`${instance}: "${line}": exit ${ended.exitcode}: ${text("out-data")}${text("err-data")}`);
    return text("out-data").replace(/\n$/, "");
  }
  throw new Error(`${instance}: "${line}" does not end`);
}

/** Returns when the agent answers at all. */
export async function agentUp(agent: Agent, instance: string): Promise<void> {
  await answer(agent, instance, { execute: "guest-ping" });
}

async function answer(agent: Agent, instance: string, command: object): Promise<Record<string, unknown>> {
  let said = "";
  for await (const _ of pauses(PATIENCE_MS)) {
    const { code, stdout, stderr } = await agent(instance, command);
    if (code === 0) return (JSON.parse(stdout) as { return: Record<string, unknown> }).return;
    said = stderr;
    if (!NOT_YET.test(said)) break;
  }
  throw new Error(`agent of ${instance}: ${JSON.stringify(command)}: ${said}`);
}

/** One shell line in the guest at this address; waits until its ssh server answers. */
export async function ssh(key: string, address: string, line: string): Promise<string> {
  const settings = {
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
    ConnectTimeout: "5",
    BatchMode: "yes",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  let last: Ran | undefined;
  for await (const _ of pauses(PATIENCE_MS)) {
    last = await run("ssh", [...options, "-i", key, `root@${address}`, line]);
    if (last.code === 0) return last.stdout.replace(/\n$/, "");
    // 255 is ssh's own failure: sshd may not be up yet.
    if (last.code !== 255 || last.stderr.includes("Permission denied")) break;
  }
  throw new Error(`ssh ${address} "${line}": exit ${last?.code}: ${last?.stdout}${last?.stderr}`);
}
