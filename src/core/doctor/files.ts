/** Compares the layers that we remember with the files that are there. */
import { EstratoError } from "../../errors.ts";
import { copyFiles } from "../firmware.ts";
import { standingOn } from "../graph/references.ts";
import { instancesOn } from "../layers/holders.ts";
import type { ImageInfo } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import { thawFile } from "../modes.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { frozenAccess } from "../sharing/access.ts";
import { requireUnheld } from "../snapshots/unheld.ts";
import { type Finding, unmendable } from "./finding.ts";
import { examineBorrowed } from "./shares.ts";

/** Every layer's file is there, has the size, format, backing file and mode that were recorded. */
export async function examineLayers(world: World, state: State): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const layer of Object.values(state.layers)) findings.push(...(await examineLayer(world, state, layer)));
  return findings;
}

async function examineLayer(world: World, state: State, layer: Layer): Promise<Finding[]> {
  if (layer.borrowed !== undefined) return examineBorrowed(world, state, layer);
  const users = standingOn(state, layer.id).join(", ");
  const [file, info] = await Promise.all([
    world.host.fileInfo(layer.file),
    world.host.imageInfo(layer.file, { shared: true, format: layer.format }).catch((error: unknown) => error as Error),
  ]);
  if (file === null || info === null) {
    return [
      unmendable(
        layer.file,
        `it is missing; ${users || "nothing"} needs it`,
        "Put the file back from a copy (or mount the disk that it lies on), or delete what needs it.",
      ),
    ];
  }
  if (info instanceof Error)
    return [
      unmendable(
        layer.file,
        `it cannot be read (${info.message}); ${users} needs it`,
        "Put the file back from a copy.",
      ),
    ];
  const findings = wrongContent(state, layer, info, users);
  const wanted = (layer.frozen ? frozenAccess(state, layer) : thawFile(layer)) as { mode: number };
  if (!file.isBlockDevice && layer.foreign === null && layer.busy === null && (file.mode & 0o777) !== wanted.mode) {
    const mode = (bits: number) => `0${(bits & 0o777).toString(8)}`;
    findings.push({
      subject: layer.file,
      problem: `its mode is ${mode(file.mode)}, and should be ${mode(wanted.mode)}: it is ${layer.frozen ? "frozen" : "a head"}`,
      remedy: "Set the mode.",
      mending: {
        // Its file may have been frozen by a command that has not recorded it yet, or opened by a merge: under their
        // locks, it has not.
        locks: [...instancesOn(state, [layer.id]), layer.id],
        loses: [],
        mend: async (w, locks) => {
          const current = await w.store.read();
          const now = current.layers[layer.id];
          if (now !== undefined && now.busy === null)
            await perform(w, locks, [now.frozen ? frozenAccess(current, now) : thawFile(now)]);
        },
      },
    });
  }
  return findings;
}

function wrongContent(state: State, layer: Layer, info: ImageInfo, users: string): Finding[] {
  const findings: Finding[] = [];
  const wrong = (problem: string) =>
    findings.push(
      unmendable(layer.file, `${problem}; ${users || "nothing"} stands on it`, "Nothing here can know which is right."),
    );
  const parent = layer.parent === null ? null : (state.layers[layer.parent] ?? null);
  if (info.format !== layer.format) wrong(`its format is ${info.format}, recorded is ${layer.format}`);
  if (info.virtualSizeBytes < layer.sizeBytes)
    wrong(`its size is ${info.virtualSizeBytes} bytes, recorded are ${layer.sizeBytes}`);
  if (layer.foreign === null && info.backing !== (parent?.file ?? null)) {
    wrong(`it stands on ${info.backing ?? "nothing"}, recorded is ${parent?.file ?? "nothing"}`);
  }
  if (info.encrypted !== (layer.secret !== null))
    wrong(
      `it is ${info.encrypted ? "" : "not "}encrypted, and is recorded as ${layer.secret === null ? "plain" : "encrypted"}`,
    );
  if (info.dirty && layer.frozen) wrong("its header is marked dirty or corrupt");
  return findings;
}

/** Files in our folders that nothing remembers. An empty one is removed; one that holds data only after a yes. */
export async function examineOrphans(world: World, state: State): Promise<Finding[]> {
  const { paths } = world.store;
  const known = await knownFiles(world, state);
  const findings: Finding[] = [];
  for (const name of await world.host.listFolder(paths.layersFolder)) {
    const path = `${paths.layersFolder}/${name}`;
    if (known.has(path)) continue;
    findings.push(await orphanLayer(world, path));
  }
  findings.push(...(await orphanRecords(world, known)));
  return findings;
}

/** Every file of ours that something needs. */
async function knownFiles(world: World, state: State): Promise<Set<string>> {
  const { paths } = world.store;
  const known = new Set(Object.values(state.layers).map((layer) => layer.file));
  const domains = await world.host.domainStatuses();
  for (const status of domains.values()) {
    for (const definition of [status.inactive, status.live]) {
      for (const disk of definition?.disks ?? []) if (disk.source !== null) known.add(disk.source);
      if (definition?.nvram != null) known.add(definition.nvram);
    }
  }
  for (const one of [...Object.values(state.snapshots), ...Object.values(state.images)]) {
    if (one.definition !== null) known.add(paths.record(one.definition));
    for (const path of copyFiles(world, one)) known.add(path);
  }
  for (const { memory } of Object.values(state.snapshots)) {
    if (memory === null) continue;
    known.add(paths.memory(memory.file));
    if (memory.definition !== null) known.add(paths.record(memory.definition));
  }
  for (const instance of Object.values(state.instances)) if (instance.seed !== null) known.add(instance.seed);
  return known;
}

/**
 * Throws "conflict" where a command that began after we looked may have made the file: it is named in the journal, and
 * then in the state.
 */
export async function requireOrphan(world: World, path: string): Promise<void> {
  const pending = await world.store.journal.list();
  const known = await knownFiles(world, await world.store.read());
  if (pending.length === 0 && !known.has(path)) return;
  throw new EstratoError("conflict", `${path}: another operation is in progress`, {
    hint: "Run doctor again after it.",
  });
}

async function orphanLayer(world: World, path: string): Promise<Finding> {
  const partial = path.endsWith(".part");
  const extents = path.endsWith(".qcow2")
    ? await world.host.ownExtents({ path, format: "qcow2" }).catch(() => null)
    : null;
  const empty = partial || (extents !== null && extents.length === 0);
  const bytes = (await world.host.fileInfo(path))?.allocatedBytes ?? 0;
  return {
    subject: path,
    problem: empty ? "an empty file that nothing remembers" : `a file with ${bytes} bytes that nothing remembers`,
    remedy: "Remove the file.",
    mending: {
      locks: [],
      loses: empty ? [] : [`${path}, ${bytes} bytes`],
      mend: async (w, locks) => {
        await requireOrphan(w, path);
        if (path.endsWith(".qcow2")) await requireUnheld(w, path);
        await perform(w, locks, [{ do: "unlink", path }]);
      },
    },
  };
}

async function orphanRecords(world: World, known: ReadonlySet<string>): Promise<Finding[]> {
  const { paths } = world.store;
  const findings: Finding[] = [];
  for (const folder of [paths.record("x"), paths.nvram("x"), paths.seed("x")].map(folderOf)) {
    for (const name of await world.host.listFolder(folder)) {
      const path = `${folder}${name}`;
      if (known.has(path)) continue;
      findings.push({
        subject: path,
        problem: "a definition, NVRAM, TPM state or seed that nothing remembers",
        remedy: "Remove the file.",
        mending: {
          locks: [],
          loses: [],
          mend: async (w, locks) => {
            await requireOrphan(w, path);
            await perform(w, locks, [{ do: "unlink", path }]);
          },
        },
      });
    }
  }
  return findings;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}
