/** The files of a backup in a folder of its own, whole or not. */
import { answerOf } from "../../../../system-answer.ts";
import type { World } from "../../../ports.ts";
import type { BackupFiles } from "../target.ts";

const LARGEST_TEXT_BYTES = 256 * 1024 * 1024;

/** What the system answers of a target (a mount that has gone, a disk that fails) is that target's fault alone. */
export async function told<T>(look: Promise<T>): Promise<T> {
  try {
    return await look;
  } catch (error) {
    throw answerOf(error) ?? error;
  }
}

/** The text of a file in a target; null where there is none that can be read. */
export async function readText(world: World, path: string): Promise<string | null> {
  return (await told(world.host.readText(path, LARGEST_TEXT_BYTES)))?.text ?? null;
}

export function filesIn(world: World, folder: string): BackupFiles {
  const at = (file: string) => `${folder}/${file}`;
  return {
    name: folder,
    nameOf: at,
    list: () => told(world.host.listFolder(folder)),
    look: (file) => told(world.host.fileInfo(at(file))),
    readText: (file) => readText(world, at(file)),
    image: (file, secret = null) => ({ path: at(file), format: "qcow2", ...(secret === null ? {} : { secret }) }),
    blockSums: (file, blockBytes, options) => world.host.blockSums(at(file), blockBytes, options),
    writeText: (file, text) => [{ do: "write-file", path: at(file), text }],
  };
}
