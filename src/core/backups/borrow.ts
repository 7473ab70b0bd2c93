/**
 * Booting from a backup where it lies: each disk of the new instance stands on a layer that stands for the backup's
 * file, and that is pulled in later. A target may come from elsewhere: QEMU opens no file of it that is not exactly
 * what the manifest says.
 */
import { EstratoError } from "../../errors.ts";
import type { BorrowedBackup } from "../graph/borrowed.ts";
import { newLayer } from "../layers/record.ts";
import type { World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import { storeIdOf } from "../store-id.ts";
import { type Backup, type ChainFile, diskChain } from "./backup.ts";
import { headerProblems } from "./examine-disk.ts";
import { requireNoProblems, type WholeBackup } from "./find.ts";
import { chooseDisks, type Import, imageFromBackup } from "./import.ts";
import type { BackupDisk } from "./manifest.ts";
import { MANIFEST, useNote } from "./parts.ts";
import { requireTarget } from "./targets/identity.ts";
import { openTarget } from "./targets/open.ts";
import type { BackupFile, BackupTarget, StoredBackup } from "./targets/target.ts";
import { useNoteText } from "./use-note.ts";
import { smallProblems } from "./verify.ts";

/**
 * Plans an instance `name` that boots from it. Its disks are not read through: their files' sizes, headers and chains
 * are compared with the manifests, and all else with its checksums. Throws "integrity" where they differ, "conflict"
 * for disks that would be encrypted otherwise than they were, "host" where there is no room for what will be pulled.
 */
export async function borrowBackup(
  world: World,
  backup: WholeBackup,
  known: ReadonlyMap<string, Backup>,
  wanted: { readonly id: string; readonly devices: readonly string[]; readonly name: string },
  secret: string | null,
): Promise<Import> {
  const { manifest } = backup;
  const disks = chooseDisks(manifest.disks, wanted.devices, backup.id);
  requireAlike(backup, disks);
  const target = openTarget(world, backup.target);
  const chains = disks.map((disk) => diskChain(target, backup.id, disk, known));
  await requireReadable(world, target, backup, chains);
  let bytes = 0;
  for (const [top] of chains) {
    if (top === undefined) continue;
    // Without its passphrase an encrypted one does not tell.
    bytes += secret === null ? await world.host.convertedBytes(top.backup.image(top.file)) : top.disk.sizeBytes;
  }
  await requireSpace(world, bytes, `restoring backup ${manifest.id}`);
  await target.requireWritable([backup.id]); // that it is read from is noted there
  const stored = target.backup(backup.id);
  const kept = await stored.look(MANIFEST);
  const owner = { uid: kept?.uid ?? 0, gid: kept?.gid ?? 0 };
  const mark = useNoteText(world, await storeIdOf(world), wanted.name);
  const layers = chains.map((chain) => standIn(world, backup, stored, chain, wanted.id, { owner, mark, secret }));
  const parts = imageFromBackup(world, backup, wanted.id, disks, layers);
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
  stored: StoredBackup,
  chain: readonly ChainFile[],
  image: string,
  { secret, ...own }: { readonly secret: string | null } & Pick<BorrowedBackup["borrowed"]["backup"], "owner" | "mark">,
): BorrowedBackup {
  const layer = newLayer(world, { sizeBytes: chain[0]?.disk.sizeBytes ?? 0, frozen: true, secret });
  const files = chain.map(({ backup, file }) => backup.image(file).path);
  const borrowed = {
    image,
    name: `backup ${id}`,
    owner: manifest.owner,
    depth: files.length,
    marker: stored.nameOf(useNote(layer.id)),
    backup: { id, target, files, ...own },
  };
  return { ...layer, file: files[0] ?? "", borrowed };
}

async function requireReadable(
  world: World,
  target: BackupTarget,
  backup: WholeBackup,
  chains: readonly (readonly ChainFile[])[],
): Promise<void> {
  const problems = await smallProblems(world, target.backup(backup.id), backup.manifest);
  problems.push(...(await chainProblems(world, target, chains, backup.manifest.encrypted)));
  requireNoProblems(backup, problems);
}

/**
 * What is wrong with the files that hold some disks, as far as their sizes, headers and chains tell: to be asked before
 * QEMU opens one of them. Their content is not read.
 */
export async function chainProblems(
  world: World,
  target: BackupTarget,
  chains: readonly (readonly ChainFile[])[],
  encrypted: boolean,
): Promise<string[]> {
  const problems: string[] = [];
  for (const chain of chains) {
    for (const [index, one] of chain.entries())
      problems.push(...(await fileProblems(world, target, one, chain[index + 1] ?? null, encrypted, one.disk)));
    const last = chain.at(-1);
    if (last !== undefined && last.disk.parent !== null)
      problems.push(`${last.backup.nameOf(last.file)}: what it stands on is missing`);
  }
  return problems;
}

async function fileProblems(
  world: World,
  target: BackupTarget,
  { backup, file }: BackupFile,
  below: BackupFile | null,
  encrypted: boolean,
  expected: { readonly sizeBytes?: number; readonly fileBytes?: number },
): Promise<string[]> {
  const name = backup.nameOf(file);
  const found = await backup.look(file);
  if (found === null) return [`${name}: it is missing`];
  if (!found.isRegularFile || found.isLink) return [`${name}: it is no regular file`];
  if (expected.fileBytes !== undefined && found.sizeBytes !== expected.fileBytes)
    return [`${name}: it has ${found.sizeBytes} bytes instead of ${expected.fileBytes}`];
  const backing = below === null ? null : target.backingName(below.backup.id, below.file);
  return headerProblems(world, backup.image(file), { backing, sizeBytes: expected.sizeBytes, encrypted });
}

/**
 * Checks again what stands for a backup, before a guest opens it: its target may be gone, or another one. Throws "host"
 * where it is not there, "integrity" where it is not what it was.
 */
export async function recheckBorrowedBackup(world: World, layer: BorrowedBackup): Promise<void> {
  const { id, target: name, files } = layer.borrowed.backup;
  const what = `backup ${id}, from which it still reads`;
  const target = openTarget(world, name);
  try {
    await requireTarget(world, await world.store.read(), name);
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    throw new EstratoError(error.code, `${what}: ${error.message}`, { hint: target.absenceHint, cause: error });
  }
  const chain = files.map((path) => target.fileAt(path));
  for (const [index, file] of chain.entries()) {
    const expected = index === 0 ? { sizeBytes: layer.sizeBytes } : {};
    const below = chain[index + 1] ?? null;
    const [problem] = await fileProblems(world, target, file, below, layer.secret !== null, expected);
    if (problem !== undefined) throw new EstratoError("integrity", `${what}: ${problem}`);
  }
}
