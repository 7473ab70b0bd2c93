/** Compares the layers that we remember with the files that are there. */
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { hiddenInStore } from "../abandoned.ts";
import { filesUnder } from "../files-under.ts";
import { chainOrNull, standingOn } from "../graph/references.ts";
import { filesInUse } from "../in-use.ts";
import { instancesOn, locksOn } from "../layers/holders.ts";
import { hasPulled } from "../layers/pulled.ts";
import type { ImageInfo } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import { thawFile } from "../modes.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { standsOn } from "../same-file.ts";
import { frozenAccess } from "../sharing/access.ts";
import { requireUnheld } from "../snapshots/unheld.ts";
import { type Finding, unmendable } from "./finding.ts";
import { examineGoneForeign } from "./gone-foreign.ts";
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
    const nobodys = await examineGoneForeign(world, state, layer);
    if (nobodys !== null) return [nobodys];
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
  const pulled = await pulledFrom(world, state, layer, info);
  const asPulled = { ...info, backing: state.layers[layer.parent ?? ""]?.file ?? null };
  const findings = await wrongContent(world, state, layer, pulled === null ? info : asPulled, users);
  if (pulled !== null) findings.push(pulled);
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

/**
 * Somebody has pulled what it stood on into it (virsh blockpull), all of it or down to one of its layers: it reads the
 * same. Null where it is not so, or a QEMU has open what its header does not say.
 */
async function pulledFrom(world: World, state: State, layer: Layer, info: ImageInfo): Promise<Finding | null> {
  const below = (chainOrNull(state, layer.id) ?? []).slice(1).flatMap((id) => state.layers[id] ?? []);
  const at = info.backing === null ? below.length : below.findIndex(({ file }) => file === info.backing);
  if (at < 1 || layer.foreign !== null || layer.busy !== null) return null;
  const between = below.slice(0, at);
  if (!(await hasPulled(world, layer, between).catch(() => false))) return null;
  for (const status of (await world.host.domainStatuses(instancesOn(state, [layer.id]))).values()) {
    const files = await filesUnder(world, status);
    if (between.some(({ file }) => files.has(file))) return null;
  }
  const parent = below[at]?.id ?? null;
  return {
    subject: layer.file,
    problem: `it stands on ${info.backing ?? "nothing"}, recorded is ${below[0]?.file}; all that lay between is in it`,
    remedy: "Record it so.",
    mending: {
      locks: [...locksOn(state, [layer.id]), layer.id],
      loses: [],
      again: async (w, now) => {
        const one = now.layers[layer.id];
        return one === undefined ? [] : examineLayer(w, now, one);
      },
      mend: async (w) => {
        await w.store.update((draft) => {
          const one = draft.layers[layer.id];
          if (one?.parent === layer.parent && one.busy === null) one.parent = parent;
        });
      },
    },
  };
}

async function wrongContent(
  world: World,
  state: State,
  layer: Layer,
  info: ImageInfo,
  users: string,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const wrong = (problem: string) =>
    findings.push(
      unmendable(layer.file, `${problem}; ${users || "nothing"} stands on it`, "Nothing here can know which is right."),
    );
  const parent = layer.parent === null ? null : (state.layers[layer.parent] ?? null);
  if (info.format !== layer.format) wrong(`its format is ${info.format}, recorded is ${layer.format}`);
  if (info.virtualSizeBytes < layer.sizeBytes)
    wrong(`its size is ${info.virtualSizeBytes} bytes, recorded are ${layer.sizeBytes}`);
  if (layer.foreign === null && !(await standsOn(world, info, parent?.file ?? null)))
    wrong(`it stands on ${info.backing ?? "nothing"}, recorded is ${parent?.file ?? "nothing"}`);
  if (info.encrypted !== (layer.secret !== null))
    wrong(
      `it is ${info.encrypted ? "" : "not "}encrypted, and is recorded as ${layer.secret === null ? "plain" : "encrypted"}`,
    );
  if (info.dirty && layer.frozen) wrong("its header is marked dirty or corrupt");
  return findings;
}

/**
 * Files in our folders that nothing names, or nothing but a damaged entry of the journal: what was being made when a
 * command was killed. One that holds nothing is removed; one that holds data only after a yes.
 */
export async function examineOrphans(world: World, state: State): Promise<Finding[]> {
  const { paths } = world.store;
  const inUse = await filesInUse(world, state);
  const anyAside = (await world.store.journal.aside()).length > 0;
  const isHalfMade = async (path: string) => {
    if (!anyAside) return false;
    const users = await inUse.users(path);
    return users.length > 0 && users.every(({ by }) => by === "aside");
  };
  const findings: Finding[] = [];
  for (const name of await world.host.listFolder(paths.layersFolder)) {
    const path = `${paths.layersFolder}/${name}`;
    if (!(await inUse.isNamed(path))) findings.push(await orphanLayer(world, path));
    else if (await isHalfMade(path)) findings.push(await halfMadeLayer(world, path));
  }
  for (const folder of [paths.record("x"), paths.nvram("x"), paths.seed("x"), paths.memory("x")].map(folderOf)) {
    for (const name of await world.host.listFolder(folder)) {
      const path = `${folder}/${name}`;
      const halfMade = await isHalfMade(path);
      if ((await inUse.isNamed(path)) && !halfMade) continue;
      const isMemory = folder === folderOf(paths.memory("x"));
      const found = await orphanOf(world, path, isMemory ? "memory" : "record");
      findings.push(halfMade ? byPerson(found) : found);
    }
  }
  for (const { path, writer } of await hiddenInStore(world)) {
    if (writer === "dead") findings.push(removal(path, "what a command that was killed was writing", []));
    if (writer === "unknown" && !(await inUse.isNamed(path))) findings.push(await orphanOf(world, path, "hidden"));
  }
  return findings;
}

/**
 * Throws "conflict" where a command that began after we looked may have made the file: it is named in the journal, and
 * then in the state.
 */
async function requireOrphan(world: World, path: string): Promise<void> {
  const pending = await world.store.journal.list();
  const inUse = await filesInUse(world, await world.store.read());
  const [user] = (await inUse.users(path)).filter(({ by }) => by !== "aside");
  if (pending.length === 0 && user === undefined) return;
  throw new EstratoError("conflict", `${path}: ${user?.name ?? "another operation in progress"} may need it`, {
    hint: "Run doctor again after it.",
  });
}

async function isEmptyLayer(world: World, path: string): Promise<boolean> {
  if (path.endsWith(".part")) return true;
  if (!path.endsWith(".qcow2")) return false;
  const extents = await world.host.ownExtents({ path, format: "qcow2" }).catch(() => null);
  return extents !== null && extents.length === 0;
}

const HALF_MADE = "was being made when a command was killed; only its damaged journal entry names it";
const TAKE_IN =
  "Where it may hold what a guest wrote last: name it in the definition (virsh edit), and doctor takes it in.";

/** A head that was never switched to is empty. One that is not may be a guest's, of which nothing tells any more. */
async function halfMadeLayer(world: World, path: string): Promise<Finding> {
  if (await isEmptyLayer(world, path)) return removal(path, `it is empty, and ${HALF_MADE}`, []);
  const bytes = (await world.host.fileInfo(path))?.allocatedBytes ?? 0;
  const info = await world.host.imageInfo(path, { shared: true, format: "qcow2" }).catch(() => null);
  const below = info?.backing == null ? "" : `, stands on ${info.backing}`;
  const found = removal(path, `it has ${humanSize(bytes)}${below}, and ${HALF_MADE}`, [`${path}, ${humanSize(bytes)}`]);
  return byPerson({ ...found, remedy: `${found.remedy} (${TAKE_IN})` });
}

/** It may be the only copy of something: --yes is no answer. */
function byPerson(finding: Finding): Finding {
  return finding.mending === null ? finding : { ...finding, mending: { ...finding.mending, byPerson: true } };
}

async function orphanLayer(world: World, path: string): Promise<Finding> {
  const empty = await isEmptyLayer(world, path);
  const bytes = (await world.host.fileInfo(path))?.allocatedBytes ?? 0;
  const problem = empty
    ? "an empty file that nothing remembers"
    : `a file with ${humanSize(bytes)} that nothing remembers`;
  return removal(path, problem, empty ? [] : [`${path}, ${humanSize(bytes)}`]);
}

/** It may be the only one that is left of what somebody deleted by mistake: it goes only after a yes. */
async function orphanOf(world: World, path: string, kind: "memory" | "record" | "hidden"): Promise<Finding> {
  const { allocatedBytes = 0, sizeBytes = 0 } = (await world.host.fileInfo(path)) ?? {};
  if (kind === "memory") {
    const problem = `a memory of ${humanSize(allocatedBytes)} that no snapshot remembers`;
    return removal(path, problem, [`${path}, ${humanSize(allocatedBytes)}`]);
  }
  if (kind === "hidden") return removal(path, "a hidden file of nobody's here", [`${path}, ${humanSize(sizeBytes)}`]);
  const problem = "a definition, NVRAM, TPM state or seed that nothing remembers";
  return removal(path, problem, [`${path}, ${humanSize(sizeBytes)}`]);
}

function removal(path: string, problem: string, loses: readonly string[]): Finding {
  return {
    subject: path,
    problem,
    remedy: "Remove the file.",
    mending: {
      locks: [],
      loses,
      mend: async (w, locks) => {
        await requireOrphan(w, path);
        if (path.endsWith(".qcow2")) await requireUnheld(w, path);
        await perform(w, locks, [{ do: "unlink", path }]);
      },
    },
  };
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
