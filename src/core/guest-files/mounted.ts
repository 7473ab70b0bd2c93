/** The file systems of some disks, mounted as their own system does, or the one that was named. */
import { EstratoError } from "../../errors.ts";
import type { FileSystem } from "../model/guest-files.ts";
import type { OpenGuest, World } from "../ports.ts";
import type { Source } from "./source.ts";

/** What holds no files, as libguestfs calls it. */
const WITHOUT_FILES = ["swap", "unknown", "crypto_LUKS", "BitLocker", ""];

/** `fileSystem`: a device, `vda1` or `/dev/GROUP/VOLUME`; null: what the guest itself mounts. */
export async function withMounted<T>(
  world: World,
  source: Source,
  fileSystem: string | null,
  use: (guest: OpenGuest) => Promise<T>,
): Promise<T> {
  world.report.progress("Starting libguestfs, which reads the file systems", null);
  const guest = await world.host.openGuest(source.disks, world.signal);
  try {
    world.report.progress("Looking for the file systems", null);
    await (fileSystem === null ? mountSystem(world, guest, source) : mountNamed(guest, source, fileSystem));
    return await use(guest);
  } finally {
    await guest.close();
  }
}

async function mountSystem(world: World, guest: OpenGuest, source: Source): Promise<void> {
  const systems = await guest.systems();
  const [system, ...others] = systems;
  if (system === undefined) return mountOnly(guest, source);
  if (others.length > 0) {
    throw new EstratoError("not_found", `${source.what}: it has ${systems.length} operating systems`, {
      hint: `Say which is meant: --file-system ${systems.map(({ root }) => root).join(", or --file-system ")}.`,
    });
  }
  for (const { device, at } of [...system.mounts].sort((a, b) => a.at.length - b.at.length)) {
    const why = await guest.mount(device, at);
    if (why === null) continue;
    if (at === "/") throw damaged(source, device, why);
    world.report.note(`${device}, which the guest mounts at ${at}, is left out: ${why}`);
  }
}

/** No system is on it: a disk for data has one file system, mostly. */
async function mountOnly(guest: OpenGuest, source: Source): Promise<void> {
  const all = await guest.fileSystems();
  const [only, ...others] = all.filter(({ type }) => !WITHOUT_FILES.includes(type));
  if (only !== undefined && others.length === 0) return mountNamed(guest, source, only.device);
  throw new EstratoError("not_found", `${source.what}: no operating system is recognised on it`, { hint: listed(all) });
}

function listed(all: readonly FileSystem[]): string {
  if (all.length === 0) return "No file system is on it either.";
  const words = all.map(({ device, type }) => `${device} (${type})`);
  return `Name one of its file systems with --file-system: ${words.join(", ")}.`;
}

async function mountNamed(guest: OpenGuest, source: Source, device: string): Promise<void> {
  const why = await guest.mount(device, "/");
  if (why === null) return;
  const all = await guest.fileSystems();
  const word = device.replace(/^\/dev\//, "");
  const found = all.find((one) => one.device.replace(/^\/dev\//, "") === word);
  if (found !== undefined && !WITHOUT_FILES.includes(found.type)) throw damaged(source, device, why);
  const what = found === undefined ? "there is no such file system" : `it is no file system (${found.type})`;
  throw new EstratoError("not_found", `${source.what}: ${device}: ${what}`, { hint: listed(all) });
}

function damaged({ what }: Source, device: string, why: string): EstratoError {
  return new EstratoError("integrity", `${what}: the file system ${device} cannot be mounted: ${why}`, {
    hint: "Look at another snapshot or backup of it.",
  });
}
