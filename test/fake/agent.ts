/**
 * A guest's agent: qemu-ga's part that moves files and runs programs, on the files and by the shell of the machine that
 * the tests run on; only where a test says that it may, since lines that are made at random meet this fake, too. A
 * program ends before guest-exec answers. The contract suite asks the real one the same.
 */
import { spawnSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import type { AgentAnswer, AgentCommand } from "../../src/core/model/host.ts";
import type { FakeDomain } from "./host-machine.ts";

type Arguments = Readonly<Record<string, unknown>>;

const COMMANDS = [
  "guest-exec",
  "guest-exec-status",
  "guest-file-open",
  "guest-file-close",
  "guest-file-read",
  "guest-file-write",
  "guest-file-seek",
  "guest-file-flush",
];

export interface FakeAgent {
  /** May it touch this machine's files, and run its programs? */
  mayTouch: boolean;
  /** What it has been told not to do. */
  readonly forbidden: Set<string>;
  /** Answers in its place where it is not undefined: a guest may say anything, or nothing. */
  hook: ((command: AgentCommand) => AgentAnswer | undefined) | null;
  /** All that was asked so far. */
  readonly asked: AgentCommand[];
  answer(command: AgentCommand, isFrozen: boolean): AgentAnswer;
}

const failed = (words: string): AgentAnswer => ({ refused: "failed", words });
const said = (value: unknown): AgentAnswer => ({ refused: null, value });

const agents = new WeakMap<FakeDomain, FakeAgent>();

/** That of a domain, whichever host asks. */
export function agentOf(domain: FakeDomain): FakeAgent {
  const agent = agents.get(domain) ?? newAgent();
  agents.set(domain, agent);
  return agent;
}

function newAgent(): FakeAgent {
  const files = new Map<number, { readonly fd: number; at: number }>();
  const ended = new Map<number, object>();
  let next = 1000;

  function exec({ path, arg, "capture-output": captured }: Arguments): AgentAnswer {
    const child = spawnSync(String(path), arg as string[], { cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
    if (child.error !== undefined) return failed(`Failed to execute child process (${child.error.message})`);
    next += 1;
    ended.set(next, {
      exited: true,
      ...(child.signal === null ? { exitcode: child.status } : { signal: constants.signals[child.signal] }),
      ...(captured && child.stdout.length > 0 ? { "out-data": child.stdout.toString("base64") } : {}),
      ...(captured && child.stderr.length > 0 ? { "err-data": child.stderr.toString("base64") } : {}),
    });
    return said({ pid: next });
  }

  function open({ path, mode }: Arguments): AgentAnswer {
    next += 1;
    files.set(next, { fd: openSync(String(path), mode as string), at: 0 });
    return said(next);
  }

  function withFile(execute: string, args: Arguments): AgentAnswer {
    const handle = Number(args.handle);
    const file = files.get(handle);
    if (file === undefined) return failed(`handle '${handle}' has not been found`);
    switch (execute) {
      case "guest-file-read": {
        const bytes = Buffer.alloc(Number(args.count));
        const count = readSync(file.fd, bytes, 0, bytes.length, file.at);
        file.at += count;
        const text = bytes.subarray(0, count).toString("base64");
        return said({ count, "buf-b64": text, eof: count < bytes.length });
      }
      case "guest-file-write": {
        const count = writeSync(file.fd, Buffer.from(String(args["buf-b64"]), "base64"), 0, null, file.at);
        file.at += count;
        return said({ count, eof: false });
      }
      case "guest-file-seek":
        file.at = Number(args.offset);
        return said({ position: file.at, eof: false });
      case "guest-file-flush":
        fsyncSync(file.fd);
        return said({});
      default:
        closeSync(file.fd);
        files.delete(handle);
        return said({});
    }
  }

  return {
    mayTouch: false,
    forbidden: new Set(),
    hook: null,
    asked: [],
    answer(command, isFrozen) {
      this.asked.push(command);
      const hooked = this.hook?.(command);
      if (hooked !== undefined) return hooked;
      const { execute, arguments: args = {} } = command;
      const enabled = (name: string) => !isFrozen && !this.forbidden.has(name);
      if (execute === "guest-info") {
        return said({ version: "7.2", supported_commands: COMMANDS.map((name) => ({ name, enabled: enabled(name) })) });
      }
      if (!enabled(execute)) return { refused: "disabled", words: `Command ${execute} has been disabled` };
      if (!this.mayTouch) return failed("this test has not said that its guest may touch this machine");
      try {
        if (execute === "guest-exec") return exec(args);
        if (execute === "guest-file-open") return open(args);
        if (execute !== "guest-exec-status") return withFile(execute, args);
        const end = ended.get(Number(args.pid));
        ended.delete(Number(args.pid)); // told once
        return end === undefined ? failed("Invalid parameter 'pid'") : said(end);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        return failed(code === "ENOENT" ? "No such file or directory" : message);
      }
    },
  };
}
