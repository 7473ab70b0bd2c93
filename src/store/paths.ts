/** Where things lie inside a store. */
import { join } from "node:path";
import { checkedFileName } from "./file-names.ts";

/** Absolute paths inside the store; the ones that core knows and the store's own. */
export interface PathsInStore {
  readonly home: string;
  readonly layersFolder: string;
  readonly recordsFolder: string;
  readonly nvramFolder: string;
  readonly memoryFolder: string;
  readonly seedsFolder: string;
  readonly sharesFolder: string;
  readonly consolesFolder: string;
  readonly knownHostsFolder: string;
  readonly journalFolder: string;
  readonly locksFolder: string;
  readonly copiesFolder: string; // the last good copies of the state
  readonly thingsFolder: string; // its rows once more, a file for each
  readonly doubtFile: string; // there: the state was put together, and may lack something
  readonly stateFile: string;
  readonly stateLock: string;
  readonly eventsFile: string;
  layer(id: string): string;
  record(name: string): string;
  nvram(name: string): string;
  memory(name: string): string;
  seed(uuid: string): string;
  consoleLog(uuid: string): string;
  oldConsoleLogs(uuid: string): string[];
  knownHosts(uuid: string): string;
}

/**
 * The paths of the store in `home` (absolute). Touches no disk. The functions throw "usage" for a name that would leave
 * its folder.
 */
export function pathsInStore(home: string): PathsInStore {
  const layersFolder = join(home, "layers");
  const recordsFolder = join(home, "records");
  const nvramFolder = join(home, "nvram");
  const memoryFolder = join(home, "memory");
  const seedsFolder = join(home, "seeds");
  const sharesFolder = join(home, "shares");
  const consolesFolder = join(home, "consoles");
  const knownHostsFolder = join(home, "known-hosts");
  return {
    home,
    layersFolder,
    recordsFolder,
    nvramFolder,
    memoryFolder,
    seedsFolder,
    sharesFolder,
    consolesFolder,
    knownHostsFolder,
    journalFolder: join(home, "journal"),
    locksFolder: join(home, "locks"),
    copiesFolder: join(home, "state"),
    thingsFolder: join(home, "things"),
    doubtFile: join(home, "incomplete.json"),
    stateFile: join(home, "state.json"),
    stateLock: join(home, "state.lock"), // beside locks/, so that no name of a lock can be it
    eventsFile: join(home, "events.jsonl"),
    layer: (id) => join(layersFolder, `${checkedFileName("layer", id)}.qcow2`),
    record: (name) => join(recordsFolder, checkedFileName("record", name)),
    nvram: (name) => join(nvramFolder, checkedFileName("NVRAM copy", name)),
    memory: (name) => join(memoryFolder, checkedFileName("memory file", name)),
    seed: (uuid) => join(seedsFolder, `${checkedFileName("seed", uuid)}.iso`),
    consoleLog: (uuid) => join(consolesFolder, `${checkedFileName("console", uuid)}.log`),
    // virtlogd(8) begins a new one at 2 MiB and keeps three old ones, unless it is told otherwise.
    oldConsoleLogs: (uuid) =>
      [0, 1, 2].map((age) => join(consolesFolder, `${checkedFileName("console", uuid)}.log.${age}`)),
    knownHosts: (uuid) => join(knownHostsFolder, checkedFileName("known hosts", uuid)),
  };
}
