/** Users of the bed's own, with a home and a session's libvirt each, on real guests of theirs. */
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Agent, agentCommand, byAgent, small } from "./guest.ts";
import { type Ran, run, sure } from "./processes.ts";

const program = resolve(import.meta.dirname, "../../bin/estrato");

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly home: string;
  /** $XDG_DATA_HOME/estrato. */
  readonly store: string;
  /** Runs a program as this user, whatever it answers. */
  run(file: string, ...args: string[]): Promise<Ran>;
  estrato(...args: string[]): Promise<Ran>;
  estratoWith(env: Record<string, string>, ...args: string[]): Promise<Ran>;
  /** For files of tests. */
  readonly folder: string;
  /** Must exit 0; returns stdout. */
  ok(...args: string[]): Promise<string>;
  /** Must exit with this code; returns stderr. */
  refused(code: number, ...args: string[]): Promise<string>;
  /** A shell line in a guest of this user's, by its agent; returns stdout. */
  guest(instance: string, line: string): Promise<string>;
  /** A new instance whose agent answers, without a network if none is named. */
  create(name: string, ...args: string[]): Promise<string>;
  /** A shell line in a guest of this user's that has the key of `makeKey`, by ssh; returns stdout. */
  ssh(instance: string, line: string): Promise<string>;
  /** The key pair `key`, with its private half where `ssh` has it. */
  makeKey(): Promise<void>;
}

/** Makes users. Homes lie on the disk, and have short names: libvirt puts sockets into them. */
export async function makeUsers(...names: string[]): Promise<User[]> {
  const homes = join(process.env.ESTRATO_BED_DIR as string, "home");
  if (!existsSync(homes)) {
    mkdirSync(homes, { mode: 0o755 });
    await sure("mount", "--bind", homes, "/home");
  }
  const made: User[] = [];
  for (const name of names) made.push(await makeUser(name));
  return made;
}

async function makeUser(name: string): Promise<User> {
  await sure("useradd", "--create-home", "--shell", "/bin/bash", name);
  const uid = Number(await sure("id", "-u", name));
  const gid = await sure("id", "-g", name);
  const home = `/home/${name}`;
  const runtime = `/run/user/${uid}`;
  await sure("install", "-d", "-m", "700", "-o", name, "-g", gid, runtime);
  const asWith = (more: Record<string, string>, file: string, ...args: string[]) => {
    const env = [
      ...Object.entries(more).map(([key, value]) => `${key}=${value}`),
      `HOME=${home}`,
      `XDG_RUNTIME_DIR=${runtime}`,
      `PATH=${process.env.PATH}`,
      "LC_ALL=C.UTF-8",
    ];
    const words = ["--reuid", String(uid), "--regid", gid, "--init-groups", "env", "-i", ...env, file, ...args];
    return run("setpriv", words);
  };
  const as = (file: string, ...args: string[]) => asWith({}, file, ...args);
  const estratoWith = (more: Record<string, string>, ...args: string[]) => asWith(more, program, ...args);
  const estrato = (...args: string[]) => as(program, ...args);
  const ok = async (...args: string[]) => {
    const ran = await estrato(...args);
    if (ran.code !== 0)
      throw new Error(`${name}: estrato ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout.replace(/\n$/, "");
  };
  const agent: Agent = (instance, command) =>
    as("virsh", "-q", "-c", "qemu:///session", ...agentCommand(instance, command));
  return {
    ...{ name, uid, home, store: `${home}/.local/share/estrato`, run: as, estrato, estratoWith, ok, folder: home },
    async refused(code, ...args) {
      const ran = await estrato(...args);
      if (ran.code !== code)
        throw new Error(`${name}: estrato ${args.join(" ")}: exit ${ran.code}, not ${code}\n${ran.stderr}`);
      return ran.stderr;
    },
    guest: (instance, line) => byAgent(agent, instance, line),
    ssh: (instance, line) => ok("instance", "ssh", instance, "-i", `${home}/key`, "--", line),
    async makeKey() {
      await as("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${home}/key`);
      await ok("keypair", "import", "key", "--file", `${home}/key.pub`);
    },
    create: (instance, ...args) =>
      ok(
        "instance",
        "create",
        instance,
        ...small,
        ...(args.includes("--network") ? [] : ["--network", "none"]),
        "--wait",
        "agent",
        "-f",
        "value",
        "-c",
        "id",
        ...args,
      ),
  };
}
