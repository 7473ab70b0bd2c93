/**
 * Booting from a backup where it lies: each disk of the new instance stands on a layer that stands for the backup's file, and that is pulled in later.
 * A target may come from elsewhere: QEMU opens no file of it that is not exactly what the manifest says.
 */
import { EstratoError } from "../../errors.ts";
import type { BackupLoan } from "../graph/loans.ts";
import { newLayer } from "../layers/record.ts";
import type { World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import { headerProblems } from "./examine-disk.ts";
import { requireNoProblems, type WholeBackup } from "./find.ts";
import { asImage, chooseDisks, type Import } from "./import.ts";
import { folderOf, MANIFEST, relativeBacking, useFile } from "./layout.ts";
import { type Backup, filesOf } from "./list.ts";
import type { BackupDisk } from "./manifest.ts";
import { NOT_MOUNTED, readTarget, storeIdOf } from "./targets.ts";
import { markText } from "./uses.ts";
import { smallProblems } from "./verify.ts";

/**
 * Plans an instance `name` that boots from it. Its disks are not read through: their files' sizes, headers and chains are compared with the manifests,
 * and all else with its checksums. Throws "integrity" where they differ, "conflict" for disks that would be encrypted otherwise than they were, "host"
 * where there is no room for what will be pulled.
 */
export async function planLoan(
  world: World,
  backup: WholeBackup,
  known: ReadonlyMap<string, Backup>,
  wanted: { readonly id: string; readonly devices: readonly string[]; readonly name: string },
  secret: string | null,
): Promise<Import> {
  const { manifest } = backup;
  const disks = chooseDisks(manifest.disks, wanted.devices, backup.id);
  requireAlike(backup, disks);
  await requireReadable(world, backup, known, disks);
  const chains = disks.map((disk) => filesOf(backup, disk, known));
  let bytes = 0;
  for (const [top] of chains) {
    if (top === undefined) continue;
    // Without its passphrase an encrypted one does not tell.
    bytes +=
      secret === null ? await world.host.convertedBytes({ path: top.path, format: "qcow2" }) : top.disk.sizeBytes;
  }
  await requireSpace(world, bytes, `restoring backup ${manifest.id}`);
  const kept = await world.host.fileInfo(`${folderOf(backup.target, backup.id)}/${MANIFEST}`);
  const owner = { uid: kept?.uid ?? 0, gid: kept?.gid ?? 0 };
  const mark = markText(world, await storeIdOf(world), wanted.name);
  const layers = chains.map((chain) => standIn(world, backup, chain, wanted.id, { owner, mark, secret }));
  const parts = asImage(world, backup, wanted.id, disks, layers);
  const loan = { image: { ...parts.image, name: `backup ${backup.id}` }, layers };
  return { ...parts, layers: [], loan, from: [], secret };
}

/** What stands on an encrypted file is encrypted with it. */
function requireAlike({ id, manifest }: WholeBackup, disks: readonly BackupDisk[]): void {
  const odd = manifest.encrypted ? disks.find(({ sourceEncrypted }) => !sourceEncrypted) : undefined;
  if (odd === undefined) return;
  throw new EstratoError("conflict", `backup ${id}: it is encrypted, and disk ${odd.device} itself was not`, {
    hint: "Restore it without --instant: then the disk is as it was.",
  });
}

function standIn(
  world: World,
  { id, target, manifest }: WholeBackup,
  chain: ReturnType<typeof filesOf>,
  image: string,
  { secret, ...own }: { readonly secret: string | null } & Pick<BackupLoan["borrowed"]["backup"], "owner" | "mark">,
): BackupLoan {
  const layer = newLayer(world, { sizeBytes: chain[0]?.disk.sizeBytes ?? 0, frozen: true, secret });
  const files = chain.map(({ path }) => path);
  const borrowed = {
    image,
    name: `backup ${id}`,
    owner: manifest.owner,
    depth: files.length,
    marker: useFile(target, id, layer.id),
    backup: { id, target, files, ...own },
  };
  return { ...layer, file: files[0] ?? "", borrowed };
}

async function requireReadable(
  world: World,
  backup: WholeBackup,
  known: ReadonlyMap<string, Backup>,
  disks: readonly BackupDisk[],
): Promise<void> {
  const problems = await smallProblems(world, folderOf(backup.target, backup.id), backup.manifest);
  for (const disk of disks) {
    const files = filesOf(backup, disk, known);
    for (const [index, { path, disk: one }] of files.entries()) {
      const below = files[index + 1]?.path ?? null;
      problems.push(...(await fileProblems(world, path, below, backup.manifest.encrypted, one)));
    }
    if (files.at(-1)?.disk.parent !== null) problems.push(`${files.at(-1)?.path}: what it stands on is missing`);
  }
  requireNoProblems(backup, problems);
}

async function fileProblems(
  world: World,
  path: string,
  below: string | null,
  encrypted: boolean,
  expected: { readonly sizeBytes?: number; readonly fileBytes?: number },
): Promise<string[]> {
  const file = await world.host.fileInfo(path);
  if (file === null) return [`${path}: it is missing`];
  if (!file.isRegularFile || file.isLink) return [`${path}: it is no regular file`];
  if (expected.fileBytes !== undefined && file.sizeBytes !== expected.fileBytes)
    return [`${path}: it has ${file.sizeBytes} bytes instead of ${expected.fileBytes}`];
  const backing = below === null ? null : relativeTo(below);
  return headerProblems(world, path, { backing, sizeBytes: expected.sizeBytes, encrypted });
}

function relativeTo(path: string): string {
  const [file = "", id = ""] = path.split("/").reverse();
  return relativeBacking(id, file);
}

/**
 * Checks again what stands for a backup, before a guest opens it: its target may be gone, or another one. Throws "host" where it is not there,
 * "integrity" where it is not what it was.
 */
export async function recheckBackupLoan(world: World, layer: BackupLoan): Promise<void> {
  const { id, target, files } = layer.borrowed.backup;
  const what = `backup ${id}, from which it still reads`;
  try {
    await readTarget(world, await world.store.read(), target);
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    throw new EstratoError(error.code, `${what}: ${error.message}`, { hint: NOT_MOUNTED, cause: error });
  }
  for (const [index, path] of files.entries()) {
    const expected = index === 0 ? { sizeBytes: layer.sizeBytes } : {};
    const [problem] = await fileProblems(world, path, files[index + 1] ?? null, layer.secret !== null, expected);
    if (problem !== undefined) throw new EstratoError("integrity", `${what}: ${problem}`);
  }
}
