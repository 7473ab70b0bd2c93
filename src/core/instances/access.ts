/** Ways to a guest: its serial console, its log, ssh, its screen. */
import { ChildExit, EstratoError } from "../../errors.ts";
import { SSH_PORT } from "../forwards/forward.ts";
import type { Command } from "../model/host.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { findInstance, isLive } from "./find.ts";
import { loginOf } from "./login.ts";
import { isOff } from "./power.ts";
import { sshEndpoint, waitForSsh } from "./ssh-wait.ts";

export interface SshOptions {
  /** Null: whom its image lets in (login.ts). */
  readonly login: string | null;
  readonly identity: string | null; // path of a private key
  readonly command: readonly string[]; // [] for a shell
  /** How long the guest's ssh may take to answer; null: connect at once. */
  readonly waitMs: number | null;
}

/**
 * The ssh command to an instance. What is known of its host key is kept for this instance alone, under its UUID: a
 * clone at an address that another had is no stranger. Returns when the guest's ssh answers. Throws "conflict" where it
 * is off, "not_found" where it has no address, "unreachable" where its ssh does not answer in time.
 */
export async function sshCommand(world: World, target: string, options: SshOptions): Promise<Command> {
  const found = await findInstance(world, target);
  const { status } = found;
  if (!isLive(status)) throw isOff(status.name);
  const login = options.login ?? loginOf(found.state, found.record);
  if (!isLogin(login)) {
    const what = options.login === null ? "the property os_admin_user" : "--login";
    throw new EstratoError("usage", `${what} ${JSON.stringify(login)}: not a user name`, {
      hint: "Say who to be with --login USER.",
    });
  }
  const { waitMs } = options;
  const place = waitMs === null ? await sshEndpoint(world, found) : await waitForSsh(world, status.uuid, waitMs);
  const args = [
    ...Object.entries(sshSettings(world, status.uuid)).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    ...(options.identity === null ? [] : ["-i", options.identity, "-o", "IdentitiesOnly=yes"]),
    ...(place.port === SSH_PORT ? [] : ["-p", String(place.port)]),
    ...["-l", login, "--", place.address],
    ...options.command,
  ];
  return { program: "ssh", args };
}

/** May ssh take it for the name of a user? */
export function isLogin(name: string): boolean {
  return name !== "" && !/^-|[\s@]/.test(name);
}

/** What ssh must know of an instance besides its address: ssh_config(5). */
export function sshSettings(world: World, uuid: string): Readonly<Record<string, string>> {
  return {
    StrictHostKeyChecking: "accept-new",
    UserKnownHostsFile: sshQuoted(world.store.paths.knownHosts(uuid)),
    LogLevel: "ERROR", // it would say each new key's fingerprint as a warning
    HostKeyAlias: uuid,
  };
}

/** ssh splits the value at spaces and expands percent signs in it (ssh_config(5)). */
function sshQuoted(path: string): string {
  return `"${path.replaceAll("%", "%%")}"`;
}

/**
 * The command that connects the terminal with the guest's serial console. Throws "conflict" where it is off, "usage"
 * for a bad escape.
 */
async function consoleCommand(
  world: World,
  target: string,
  escapeKey: string | null,
): Promise<{ readonly command: Command; readonly name: string }> {
  if (escapeKey !== null && !/^(\^[@-_a-z]|[!-~])$/.test(escapeKey)) {
    throw new EstratoError("usage", `--escape ${JSON.stringify(escapeKey)}: not a character`, {
      hint: "Write it like ^] or ~.",
    });
  }
  const { status } = await findInstance(world, target);
  if (!isLive(status)) throw isOff(status.name);
  return { command: world.host.consoleCommand(status.uuid, escapeKey), name: status.name };
}

/**
 * Gives the terminal to the guest's console; `onOpen` is told its name before. In a dry run a plan. Throws ChildExit
 * with virsh's code, and what `consoleCommand` and `onOpen` throw.
 */
export async function openConsole(
  world: World,
  target: string,
  escapeKey: string | null,
  onOpen: (name: string) => void,
): Promise<PlanView | null> {
  const { command, name } = await consoleCommand(world, target, escapeKey);
  onOpen(name);
  return giveTerminal(world, command, `Connect with the console of ${name}`);
}

/** Where the guest's screen is served: for a viewer. */
export interface Screen {
  readonly uuid: string;
  readonly name: string;
  readonly scheme: string; // vnc, spice
  readonly address: string;
  readonly port: number;
}

/** A VNC display of 0 is port 5900 (RFC 6143 names the port, libvirt the display). */
const FIRST_VNC_PORT = 5900;

/** Throws "conflict" where the guest is off, or its screen is served nowhere. */
export async function screenOf(world: World, target: string): Promise<Screen> {
  const { status } = await findInstance(world, target);
  const { uuid, name } = status;
  if (!isLive(status)) throw isOff(name);
  const [, scheme, address, number] =
    /^(vnc|spice):\/\/([^:/?]*):(\d+)/.exec((await world.host.display(uuid)) ?? "") ?? [];
  if (scheme === undefined || number === undefined) {
    throw new EstratoError("conflict", `instance ${name}: its screen is served nowhere`, {
      hint: `Take a picture of it: estrato instance screenshot ${name}; or use the serial console.`,
    });
  }
  const port = Number(number) + (scheme === "vnc" && Number(number) < FIRST_VNC_PORT ? FIRST_VNC_PORT : 0);
  return { uuid, name, scheme, address: address || "127.0.0.1", port };
}

/** Returns when the command has ended, in a dry run a plan. Throws ChildExit with its code where that is not 0. */
export async function giveTerminal(world: World, command: Command, title: string): Promise<PlanView | null> {
  if (world.dryRun) return { steps: [{ title, commands: [command] }], notes: [], freesBytes: null };
  const exit = await world.host.interactive(command);
  if (exit !== 0) throw new ChildExit(exit);
  return null;
}

/** The path of what the guest has written to its serial console. Throws "not_found" where nothing of it is kept. */
export async function consoleLogPath(world: World, target: string): Promise<string> {
  const { status } = await findInstance(world, target);
  const path = world.store.paths.consoleLog(status.uuid);
  if ((await world.host.fileInfo(path)) !== null) return path;
  throw new EstratoError("not_found", `instance ${status.name}: no console log of it is kept`, {
    hint: isLive(status)
      ? `Only instances that estrato made keep one; use "estrato instance console ${status.name}".`
      : "It has not been started yet, or estrato did not make it.",
  });
}

/**
 * Writes a picture of the guest's screen to `path` (PNG where this QEMU can, else PPM); a dry run returns the plan.
 * Throws "conflict" where it is off.
 */
export async function takeScreenshot(world: World, target: string, path: string): Promise<PlanView | null> {
  const { status } = await findInstance(world, target);
  if (!isLive(status)) throw isOff(status.name);
  if (world.dryRun) {
    const title = `Write a picture of the screen of ${status.name} to ${path}`;
    return { steps: [{ title, commands: [] }], notes: [], freesBytes: null };
  }
  await world.host.screenshot(status.uuid, path);
  return null;
}
