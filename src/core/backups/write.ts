/** The end of a backup: its copies are compared with the plan, summed, and vouched for by a manifest. */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { secretOf } from "../graph/files.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { DiskCopy } from "./copies.ts";
import { type BackupData, snapshotOf } from "./create-recovery.ts";
import { finalSums } from "./early-sums.ts";
import { DEFINITION, diskFile, folderOf, MANIFEST, NVRAM, readSmall, sumsFile, TPM } from "./layout.ts";
import { type BackupDisk, type Manifest, manifestText, sha256 } from "./manifest.ts";
import { BLOCK_BYTES, sumsText } from "./sums.ts";

/** Throws "integrity" where a copy is not what was planned: format, size, what it stands on, sound tables. */
export async function requireCopies(
  world: World,
  state: State,
  copies: readonly DiskCopy[],
  folder: string,
  secret: string | null,
): Promise<void> {
  for (const { device, layer, parent } of copies) {
    const path = `${folder}/${diskFile(device)}`;
    const info = await world.host.imageInfo(path, { format: "qcow2" });
    const backing = parent === null ? null : `${folderOf(dirname(folder), parent)}/${diskFile(device)}`;
    const source = state.layers[layer];
    const right =
      info !== null &&
      !info.dirty &&
      info.backing === backing &&
      info.virtualSizeBytes === source?.sizeBytes &&
      info.encrypted === (secret !== null) &&
      (await world.host.countFaults({ path, ...secretOf({ secret }) })) === 0;
    if (right) continue;
    throw new EstratoError("integrity", `${path}: the copy is not what was planned`, {
      hint: "Nothing was kept. Try again, and look after the target's disk.",
    });
  }
}

/** Sums of all files (`early`: by path, what was told of them while they were written), then the manifest that names them: without it the folder is no backup. */
export async function writeManifest(
  world: World,
  data: BackupData,
  state: State,
  copies: readonly DiskCopy[],
  folder: string,
  early: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const snapshot = snapshotOf(await world.store.read(), data);
  const disks: BackupDisk[] = [];
  for (const { device, volume, layer, parent } of copies) {
    const sizeBytes = snapshot.disks.find((disk) => disk.device === device)?.sizeBytes ?? 0;
    const sourceEncrypted = state.layers[layer]?.secret != null;
    const path = `${folder}/${diskFile(device)}`;
    const known = await finalSums(world, path, early.get(path) ?? []);
    const disk = { device, volume, parent, sizeBytes, sourceEncrypted };
    disks.push(await summedDisk(world, folder, disk, null, { path, known }));
  }
  const { libvirtVersion, qemuVersion } = await world.host.capabilities();
  const manifest: Manifest = {
    format: 1,
    id: data.id,
    ...data.content,
    createdAt: snapshot.createdAt,
    consistency: snapshot.consistency === "memory" ? "crash" : snapshot.consistency,
    encrypted: data.secret !== null,
    protected: false,
    disks,
    definition: { file: DEFINITION, sha256: sha256((await readSmall(world, `${folder}/${DEFINITION}`)) ?? "") },
    nvram: snapshot.nvram === null ? null : await summedFile(world, folder, NVRAM),
    tpm: snapshot.tpm === null ? null : await summedFile(world, folder, TPM),
    uefi: snapshot.uefi,
    versions: { libvirt: libvirtVersion, qemu: qemuVersion },
  };
  await writeText(world, `${folder}/${MANIFEST}`, manifestText(manifest));
}

/** Sums a disk's file and writes them beside it. `known`: blocks that need not be read again. `merged`: the backup that came into it. */
export async function summedDisk(
  world: World,
  folder: string,
  disk: Pick<BackupDisk, "device" | "volume" | "parent" | "sizeBytes" | "sourceEncrypted">,
  merged: string | null,
  from: { readonly path?: string; readonly known?: readonly (string | null)[] } = {},
): Promise<BackupDisk> {
  const file = diskFile(disk.device);
  const onProgress = (fraction: number) => world.report.progress(`Sum ${file}`, fraction);
  const how = from.known === undefined ? { onProgress } : { onProgress, known: from.known };
  const sums = await world.host.blockSums(from.path ?? `${folder}/${file}`, BLOCK_BYTES, how);
  const text = sumsText(sums);
  const name = sumsFile(disk.device, merged);
  await writeText(world, `${folder}/${name}`, text);
  return { ...disk, file, fileBytes: sums.sizeBytes, sums: { file: name, sha256: sha256(text) } };
}

async function summedFile(world: World, folder: string, file: string): Promise<{ file: string; sha256: string }> {
  return { file, sha256: await fileSum(world, `${folder}/${file}`) };
}

/** Of a small file. */
export async function fileSum(world: World, path: string): Promise<string> {
  const { sums } = await world.host.blockSums(path, BLOCK_BYTES);
  return sha256(sums.join("\n"));
}

export function writeText(world: World, path: string, text: string): Promise<void> {
  return world.host.perform({ do: "write-file", path, text });
}
