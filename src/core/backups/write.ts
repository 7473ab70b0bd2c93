/** The end of a backup: its copies are compared with the plan, summed, and vouched for by a manifest. */
import { EstratoError } from "../../errors.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { DiskCopy } from "./copies.ts";
import { type BackupData, snapshotOf } from "./create-recovery.ts";
import { type BackupDisk, type Manifest, manifestText, sha256 } from "./manifest.ts";
import { DEFINITION, diskFile, MANIFEST, NVRAM, SEED, sumsFile, TPM } from "./parts.ts";
import { BLOCK_BYTES, sumsText } from "./sums.ts";
import type { BackupFiles, BackupTarget, UnfinishedBackup } from "./targets/target.ts";

/** Throws "integrity" where a copy is not what was planned: format, size, what it stands on, sound tables. */
export async function requireCopies(
  world: World,
  state: State,
  copies: readonly DiskCopy[],
  target: BackupTarget,
  part: UnfinishedBackup,
  secret: string | null,
): Promise<void> {
  for (const { device, layer, parent } of copies) {
    const file = diskFile(device);
    const image = part.image(file, secret);
    const faults = world.host.countFaults(image);
    faults.catch(() => undefined); // asked for below
    const info = await world.host.imageInfo(image.path, { format: "qcow2", shared: true });
    const backing = parent === null ? null : target.backup(parent).image(file).path;
    const source = state.layers[layer];
    const right =
      info !== null &&
      !info.dirty &&
      info.backing === backing &&
      info.virtualSizeBytes === source?.sizeBytes &&
      info.encrypted === (secret !== null) &&
      (await faults) === 0;
    if (right) continue;
    throw new EstratoError("integrity", `${part.nameOf(file)}: the copy is not what was planned`, {
      hint: "Nothing was kept. Try again, and look after the target's disk.",
    });
  }
}

/**
 * Sums of all files (`summed`: by its image's path, those that were told when it was written), then the manifest
 * that names them: without it this is no backup.
 */
export async function writeManifest(
  world: World,
  data: BackupData,
  state: State,
  copies: readonly DiskCopy[],
  part: UnfinishedBackup,
  summed: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const snapshot = snapshotOf(await world.store.read(), data);
  const disks: BackupDisk[] = [];
  for (const { device, volume, layer, parent } of copies) {
    const sizeBytes = snapshot.disks.find((disk) => disk.device === device)?.sizeBytes ?? 0;
    const sourceEncrypted = state.layers[layer]?.secret != null;
    const known = summed.get(part.image(diskFile(device)).path) ?? [];
    const disk = { device, volume, parent, sizeBytes, sourceEncrypted };
    disks.push(await summedDisk(world, part, disk, null, { known }));
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
    definition: { file: DEFINITION, sha256: sha256((await part.readText(DEFINITION)) ?? "") },
    nvram: snapshot.nvram === null ? null : await summedFile(part, NVRAM),
    tpm: snapshot.tpm === null ? null : await summedFile(part, TPM),
    ...((await part.look(SEED)) === null ? {} : { seed: await summedFile(part, SEED) }),
    uefi: snapshot.uefi,
    versions: { libvirt: libvirtVersion, qemu: qemuVersion },
  };
  await writeText(world, part, MANIFEST, manifestText(manifest));
}

/**
 * Sums a disk's file (`from`, where it is another than that of `files`) and writes the sums beside it, into `files`.
 * `known`: blocks that need not be read again. `merged`: the backup that came into it.
 */
export async function summedDisk(
  world: World,
  files: BackupFiles,
  disk: Pick<BackupDisk, "device" | "volume" | "parent" | "sizeBytes" | "sourceEncrypted">,
  merged: string | null,
  how: {
    readonly from?: { readonly files: BackupFiles; readonly file: string };
    readonly known: readonly (string | null)[];
  },
): Promise<BackupDisk> {
  const file = diskFile(disk.device);
  const read = how.from ?? { files, file };
  const totalBytes = (await read.files.look(read.file))?.sizeBytes ?? 0;
  const onProgress = (fraction: number) => world.report.progress(`Sum ${file}`, fraction, { totalBytes });
  const sums = await read.files.blockSums(read.file, BLOCK_BYTES, { onProgress, known: how.known });
  const text = sumsText(sums);
  const name = sumsFile(disk.device, merged);
  await writeText(world, files, name, text);
  return { ...disk, file, fileBytes: sums.sizeBytes, sums: { file: name, sha256: sha256(text) } };
}

async function summedFile(files: BackupFiles, file: string): Promise<{ file: string; sha256: string }> {
  return { file, sha256: await fileSum(files, file) };
}

/** Of a small file. */
export async function fileSum(files: BackupFiles, file: string): Promise<string> {
  const { sums } = await files.blockSums(file, BLOCK_BYTES);
  return sha256(sums.join("\n"));
}

export async function writeText(world: World, files: BackupFiles, file: string, text: string): Promise<void> {
  for (const action of files.writeText(file, text)) await world.host.perform(action);
}
