/**
 * A guest's file systems, read by libguestfs in a machine of its own, which nothing of the guest leaves: a kernel that
 * meets a hostile file system is that machine's, and not this one's.
 */
import { readFile, rm } from "node:fs/promises";
import type {
  FileSystem,
  GuestDisk,
  GuestEntry,
  GuestPart,
  GuestSystem,
  Unpacked,
} from "../../core/model/guest-files.ts";
import type { Command } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import type { KeptChild } from "../kept-child.ts";
import type { Owed } from "../patience.ts";
import type { Processes } from "../process.ts";
import { MissingProgram } from "../process-failure.ts";
import type { Virsh } from "../virsh.ts";
import { applianceEnvironment, requireKernel } from "./appliance.ts";
import { deviceOf, letterDevice } from "./devices.ts";
import { nameText, readStats } from "./entries.ts";
import { type Ask, fitsInList, GUESTFISH, LONGEST_LINE, quoted, quotedList, speakWith } from "./fish.ts";
import { alone, fromArchive, type Outgoing } from "./outgoing.ts";
import { piped } from "./piped.ts";
import { privateFolder } from "./private-folder.ts";
import { repack } from "./repack.ts";
import { nbdCommand, type ServedDisk, serveDisk } from "./served-disk.ts";
import { removeSocketFolder, socketFolder } from "./sockets.ts";
import { unpack } from "./unpack.ts";

/** The folder of the sockets is a new one each time. */
export function guestCommands(disks: readonly GuestDisk[]): Command[] {
  return [...disks.map((disk) => nbdCommand(disk, `FOLDER/${disk.device}`, 0)), GUESTFISH];
}

/** As core's port says. `env`: what guestfish gets to see. */
export async function openGuest(
  processes: Processes,
  virsh: Virsh,
  env: NodeJS.ProcessEnv,
  disks: readonly GuestDisk[],
  signal: AbortSignal,
) {
  await requirePrograms(processes);
  await requireKernel(env);
  const folder = await privateFolder();
  const served: ServedDisk[] = [];
  let child: KeptChild | null = null;
  let sockets: string | null = null;
  const lookForSockets = () => {
    sockets ??= child === null ? null : socketFolder(child.pid);
  };

  async function close(): Promise<void> {
    lookForSockets();
    child?.close();
    await child?.ended();
    for (const disk of served) await disk.stop();
    removeSocketFolder(sockets);
    await rm(folder, { recursive: true, force: true });
  }

  try {
    for (const disk of disks) served.push(await serveDisk(processes, virsh, disk, `${folder}/${disk.device}`, signal));
    child = processes.keep(GUESTFISH, { environment: applianceEnvironment(folder) });
    const ask = speakWith(child);
    const owed: Owed = { as: "change", signal };
    for (const { device } of disks) {
      const drive = `format:raw readonly:true protocol:nbd ${quoted(`server:unix:${folder}/${device}`)}`;
      await required(ask, `add-drive "" ${drive}`, owed, "failed");
    }
    await launch(ask, owed, lookForSockets);
    removeSocketFolder(sockets);
    await processes.output({ program: "mkfifo", args: ["-m", "600", `${folder}/pipe`] });
    return { ...reader(ask, owed, folder, disks), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function requirePrograms(processes: Processes): Promise<void> {
  const { exit } = await processes.run({ program: "guestfish", args: ["--version"] });
  if (exit !== 0) throw new MissingProgram("guestfish");
}

const LOOK_MS = 100;

/** `look`: who is ended while it starts leaves what only he could tell of. */
async function launch(ask: Ask, owed: Owed, look: () => void): Promise<void> {
  const looking = setInterval(look, LOOK_MS);
  const { error } = await ask("run", owed).finally(() => clearInterval(looking));
  look();
  if (error === null) return;
  throw new EstratoError("host", `libguestfs: its machine does not start: ${error}`, {
    hint: "See what it says of this host: libguestfs-test-tool.",
  });
}

async function required(ask: Ask, line: string, owed: Owed, code: "failed" | "integrity"): Promise<string> {
  const { text, error } = await ask(line, owed);
  if (error === null) return text;
  throw new EstratoError(code, `guestfish: ${error}`);
}

/** What can be asked once it runs. */
function reader(ask: Ask, owed: Owed, folder: string, disks: readonly GuestDisk[]) {
  const tell = (line: string) => required(ask, line, owed, "integrity");

  async function fileSystems(): Promise<FileSystem[]> {
    const lines = (await tell("list-filesystems")).split("\n");
    return lines.flatMap((line) => {
      const [, device, type] = /^(\/\S+): (\S+)$/.exec(line) ?? [];
      return device === undefined || type === undefined ? [] : [{ device: deviceOf(device, disks), type }];
    });
  }

  async function systems(): Promise<GuestSystem[]> {
    const roots = (await tell("inspect-os")).split("\n").filter((line) => line !== "");
    const found: GuestSystem[] = [];
    for (const root of roots) {
      const lines = (await tell(`inspect-get-mountpoints ${quoted(root)}`)).split("\n");
      const mounts = lines.flatMap((line) => {
        const [, at, device] = /^(\/.*): (\/\S+)$/.exec(line) ?? [];
        return at === undefined || device === undefined ? [] : [{ device: deviceOf(device, disks), at }];
      });
      found.push({ root: deviceOf(root, disks), mounts });
    }
    return found;
  }

  async function look(path: string): Promise<GuestEntry | null> {
    const { text, error } = await ask(`lstatns ${quoted(path)}`, owed);
    const [stat] = error === null ? readStats(text) : [];
    return stat == null ? null : { name: path.slice(path.lastIndexOf("/") + 1), ...stat };
  }

  async function list(path: string): Promise<GuestEntry[]> {
    await tell(`ls0 ${quoted(path)} ${quoted(`${folder}/names`)}`);
    const bytes = await readFile(`${folder}/names`);
    const names = bytes
      .toString("latin1")
      .split("\0")
      .filter((name) => name !== "")
      .sort();
    const found: GuestEntry[] = [];
    for (const some of portions(
      path,
      names.map((name) => Buffer.from(name, "latin1")),
    )) {
      const stats = readStats(await tell(statLine(path, some)));
      for (const [index, name] of some.entries()) {
        const stat = stats[index];
        if (stat != null) found.push({ name: nameText(name), ...stat });
      }
    }
    return found;
  }

  async function* outgoing(parts: readonly GuestPart[]): AsyncGenerator<Outgoing> {
    const pipe = `${folder}/pipe`;
    const damaged = (error: string) =>
      new EstratoError("integrity", `the file system of the guest: ${error}`, { hint: "Nothing was kept." });
    for (const part of parts) {
      const from = quoted(part.path);
      if (part.entry.kind === "folder") {
        const line = `tar-out ${from} ${quoted(pipe)} numericowner:true`;
        yield* fromArchive(
          piped(pipe, (how) => ask(line, { ...how, signal: owed.signal }), damaged),
          part.name,
        );
      } else if (part.entry.kind === "file") {
        const line = `download ${from} ${quoted(pipe)}`;
        yield alone(
          part,
          piped(pipe, (how) => ask(line, { ...how, signal: owed.signal }), damaged),
        );
      } else yield alone(part, nothing());
    }
  }

  return {
    fileSystems,
    systems,
    look,
    list,
    async mount(device: string, at: string): Promise<string | null> {
      const { error } = await ask(`mount-ro ${quoted(letterDevice(device, disks))} ${quoted(at)}`, owed);
      return error;
    },
    async realPath(path: string): Promise<string | null> {
      const { text, error } = await ask(`realpath ${quoted(path)}`, owed);
      return error === null ? text.replace(/\n$/, "") : null;
    },
    unpack: (parts: readonly GuestPart[], to: string, onBytes: (bytes: number) => void): Promise<Unpacked> =>
      unpack(outgoing(parts), to, onBytes),
    pack: (parts: readonly GuestPart[], told: (unpacked: Unpacked) => void) => repack(outgoing(parts), told),
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** As many names as fit on a line; one that no list can hold is alone. */
function portions(folder: string, names: readonly Buffer[]): Buffer[][] {
  const found: Buffer[][] = [];
  let last: Buffer[] | null = null;
  for (const name of names) {
    const isListed = fitsInList(name);
    if (!isListed || last === null || statLine(folder, [...last, name]).length > LONGEST_LINE / 2) {
      last = null;
      found.push([name]);
      if (isListed) last = found.at(-1) ?? null;
    } else last.push(name);
  }
  return found;
}

function statLine(folder: string, names: readonly Buffer[]): string {
  const [only] = names;
  if (only !== undefined && names.length === 1 && !fitsInList(only)) {
    return `lstatns ${quoted(Buffer.concat([Buffer.from(folder === "/" ? "/" : `${folder}/`), only]))}`;
  }
  return `lstatnslist ${quoted(folder)} ${quotedList(names)}`;
}
