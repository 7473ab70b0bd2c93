/**
 * What an emulated TPM keeps is one small file, which swtpm replaces as a whole (a new file, then a rename: measured on
 * 0.7), so that a copy of a running guest's is never torn. Only a file that the definition names
 * (`<source type='file'/>`) is written in place. libvirt starts swtpm on what is there, gives it to swtpm's user, and
 * makes a new TPM only where nothing is.
 */
import { constants } from "node:fs";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { fileInfo, namingFile, removeFile, syncPath } from "../files.ts";
import { tpmFolder } from "../libvirt-folders.ts";
import { temporaryName } from "../temporary-files.ts";
import { type ActionContext, type ActionOf, isOff } from "./context.ts";
import { stateOf } from "./domains.ts";

const READINGS = 20;
/** A state has some kilobytes; what is larger is none. */
const LARGEST_BYTES = 16 * 1024 * 1024;
const FROZEN = 0o400;

/** A copy that is there already is whole, and older than whatever came to be at `from` since: it stays. */
export async function performSaveTpm(_: ActionContext, action: ActionOf<"save-tpm">): Promise<void> {
  if ((await fileInfo(action.to)) !== null) return;
  await writeWhole(action.to, await readState(action.from), FROZEN, null);
}

/** Only of a domain that is off or not there yet: swtpm has read its state at the start, and would write over ours. */
export async function performPlaceTpm(context: ActionContext, action: ActionOf<"place-tpm">): Promise<void> {
  if (!isOff(await stateOf(context, action.domain))) {
    throw new EstratoError("conflict", `${action.domain}: the domain is running, and its TPM cannot be changed`);
  }
  const folder = dirname(action.to);
  await makeFolders(folder);
  const content = await readState(action.from);
  await writeWhole(action.to, content, 0o600, (await fileInfo(action.to)) ?? (await fileInfo(folder)));
}

/** Throws "conflict" where libvirt has that domain. */
export async function performRemoveTpm(context: ActionContext, action: ActionOf<"remove-tpm">): Promise<void> {
  if ((await stateOf(context, action.domain)) !== null) {
    throw new EstratoError("conflict", `${action.domain}: libvirt has that domain, and its TPM stays`);
  }
  const folder = tpmFolder(context.virsh.folders, action.domain);
  await rm(folder, { recursive: true, force: true });
  if ((await fileInfo(dirname(folder))) !== null) await syncPath(dirname(folder));
}

/** Twice the same, for one that is written in place. */
async function readState(path: string): Promise<Buffer> {
  let before = await readOnce(path);
  for (let reading = 1; reading < READINGS; reading += 1) {
    const now = await readOnce(path);
    if (now.equals(before)) return now;
    before = now;
  }
  throw new EstratoError("failed", `${path}: the guest's TPM is being written to all the time`, {
    hint: "Try again, or with the guest off.",
  });
}

/** The folder belongs to swtpm's user: what it may have put there in place of the file (a link, a pipe) is not read. */
async function readOnce(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (found.isFile() && found.size <= LARGEST_BYTES) return await readFile(file);
  } finally {
    await file.close();
  }
  throw new EstratoError("integrity", `${path}: it is not what a TPM keeps`);
}

/**
 * With the modes that libvirt gives them; it sets the owner of the innermost at each start. Those that are there stay
 * as they are.
 */
async function makeFolders(innermost: string): Promise<void> {
  const missing: string[] = [];
  for (let at = innermost; (await fileInfo(at)) === null; at = dirname(at)) missing.unshift(at);
  for (const path of missing) {
    await mkdir(path);
    await chmod(path, path === innermost ? 0o700 : 0o711);
    await syncPath(dirname(path));
  }
}

async function writeWhole(
  to: string,
  content: Buffer,
  mode: number,
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  const part = temporaryName(to);
  const file = await open(part, "wx", 0o600);
  try {
    await file.writeFile(content);
    if (owner !== null && owner.uid !== (await file.stat()).uid) await file.chown(owner.uid, owner.gid);
    await file.chmod(mode);
    await file.sync();
    await file.close();
    await rename(part, to);
  } catch (error) {
    await file.close().catch(() => undefined);
    await removeFile(part);
    throw namingFile(error, part, to);
  }
  await syncPath(dirname(to));
}
