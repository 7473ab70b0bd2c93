/** Actions on image files that no guest holds. Every one leaves what it wrote on the disk, not in a cache. */
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, writeFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { EstratoError } from "../../errors.ts";
import { syncNames } from "../../synced-folder.ts";
import { assertNotFrozen, createEmpty, removeFile, setMode, syncPath } from "../files.ts";
import { imageChain, requireImages } from "../image-chain.ts";
import { emptyOverlay } from "../qcow2-new.ts";
import { backingPath } from "../qemu-file-names.ts";
import { filesBelow, imageInfo, ownExtents } from "../qemu-img.ts";
import { parseProgress } from "../qemu-img-output.ts";
import { temporaryName } from "../temporary-files.ts";
import { flushedMeanwhile, writtenOut } from "../written-out.ts";
import { commandsFor } from "./commands.ts";
import { type ActionContext, type ActionOf, holdingLocks } from "./context.ts";
import {
  type Below,
  convert,
  convertDelta,
  createDisk,
  type DeltaBelow,
  secretsOfCopy,
  secretsOfDelta,
} from "./image-commands.ts";
import { requireEncrypted, requireOpens, runLuks, withSecrets } from "./luks.ts";

/**
 * A new qcow2 file. It is made under a hidden name and linked to its own: there is never half a header under `path`,
 * and nothing that is there is overwritten. The owner stays ours: libvirt gives the file to QEMU's user when a guest
 * gets it, with --reuse-external too (measured on both generations).
 */
export async function performCreateDisk(context: ActionContext, action: ActionOf<"create-disk">): Promise<void> {
  const part = temporaryName(action.path);
  if (action.backing !== null) context.virsh.prepare(holdingLocks(context)); // a domain gets it next
  const head = action.backing === null ? null : await plainHead(action, action.backing);
  try {
    if (head === null) {
      await createEmpty(part, 0o600);
      await runCreate(context, action, part);
      await syncPath(part);
    } else writeNew(part, head);
    linkSync(part, action.path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    await assertUntouched(context, action);
  } finally {
    await removeFile(part);
  }
  syncNames(dirname(action.path));
}

/** Durable; by calls that wait: of so few bytes, handing each call to a thread takes longer. */
function writeNew(path: string, content: Buffer): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    fchmodSync(fd, 0o600);
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * A head that holds nothing and is not encrypted, as we write it ourselves; null where what it is to stand on is not
 * plainly there, and qemu-img says why. "host" where QEMU might wait for a file of that chain.
 */
async function plainHead(
  { sizeBytes, secret }: ActionOf<"create-disk">,
  backing: { readonly path: string; readonly format: string },
): Promise<Buffer | null> {
  const [top] = await imageChain(backing.path, backing.format);
  if (secret !== undefined || top === undefined || top.fault !== null) return null;
  return emptyOverlay({ backing, sizeBytes });
}

async function runCreate(context: ActionContext, action: ActionOf<"create-disk">, part: string): Promise<void> {
  const { backing, secret } = action;
  await withSecrets(context, secret === undefined ? [] : [{ secret }], async (how) => {
    if (secret !== undefined && backing !== null) await requireOpens(context, backing.path, how);
    await runLuks(context, createDisk(action, part), how, part);
  });
  if (secret !== undefined) await requireEncrypted(context, part);
}

/** The file that is there must be the one that we would have made: same size, same backing, no data of its own. */
async function assertUntouched(context: ActionContext, action: ActionOf<"create-disk">): Promise<void> {
  const { processes } = context;
  const info = await imageInfo(processes, action.path, { format: "qcow2" });
  const same =
    info?.virtualSizeBytes === action.sizeBytes &&
    info.backing === (action.backing ? backingPath(action.path, action.backing.path) : null) &&
    info.backingFormat === (action.backing?.format ?? null) &&
    info.encrypted === (action.secret !== undefined) &&
    (await ownExtents(processes, context.virsh, { ...action, format: "qcow2" })).length === 0;
  if (!same) throw new EstratoError("conflict", `${action.path}: there is another file of that name`);
  await setMode(action.path, 0o600);
}

/**
 * Merges a file down. "integrity" where `top` does not stand on `base`; "conflict" where base is frozen or one of them
 * is held.
 */
export async function performCommit(context: ActionContext, action: ActionOf<"commit">): Promise<void> {
  // By its header alone: qemu-img, which is about to write to both, says itself who holds one of them.
  const info = await imageInfo(context.processes, action.top, { shared: true, format: action.topFormat });
  if (info?.backing !== backingPath(action.top, action.base)) {
    throw new EstratoError("integrity", `${action.top}: it does not stand on ${action.base}`);
  }
  await assertNotFrozen(action.base);
  await requireImages({ path: action.top, format: action.topFormat });
  const below = await belowOf(context, action.top, action.secret);
  await flushedMeanwhile(action.base, () => runAll(context, action, below));
}

export async function performRebase(
  context: ActionContext,
  action: ActionOf<"rebase"> | ActionOf<"relink">,
): Promise<void> {
  await assertNotFrozen(action.file);
  const onto = action.do === "relink" ? null : action.backing;
  if (action.do === "rebase")
    await requireImages({ path: action.file, format: "qcow2" }, ...(onto === null ? [] : [onto]));
  const below = await belowOf(context, action.file, action.secret, onto?.path);
  const write = () => runAll(context, action, below);
  if (action.do === "rebase") return flushedMeanwhile(action.file, write);
  await write(); // a header alone
  await syncPath(action.file);
}

/** Grows a disk; done where it has that size. "failed" where it is larger. */
export async function performResize(context: ActionContext, action: ActionOf<"resize-disk">): Promise<void> {
  await assertNotFrozen(action.path);
  const info = await imageInfo(context.processes, action.path, { format: action.format });
  if (info === null) throw new EstratoError("not_found", `${action.path}: no such file`);
  if (info.virtualSizeBytes === action.sizeBytes) return;
  await requireImages(action);
  if (info.virtualSizeBytes > action.sizeBytes) {
    throw new EstratoError("failed", `${action.path}: a disk cannot become smaller`);
  }
  await runAll(context, action, await belowOf(context, action.path, action.secret));
  await syncPath(action.path);
}

/** Copies a chain into one file. An interruption ends the child and removes the piece; the source is only read. */
export async function performConvert(context: ActionContext, action: ActionOf<"convert">): Promise<void> {
  const part = `${action.to}.part`;
  await requireImages({ path: action.from, format: action.fromFormat });
  await removeFile(part);
  await createEmpty(part, 0o600);
  try {
    const { signal, onProgress } = context.options;
    const command = convert(action, part, await belowOf(context, action.from, action.secret));
    const copy = async () => {
      await withSecrets(context, secretsOfCopy(action), (how) =>
        runLuks(
          context,
          command,
          {
            ...how,
            ...(signal ? { signal } : {}),
            onOutput: (text) => {
              const fraction = parseProgress(text);
              if (fraction !== null) onProgress?.(fraction);
            },
          },
          part,
        ),
      );
      if (action.encrypt !== undefined) await requireEncrypted(context, part);
      await setMode(part, action.mode);
    };
    await writtenAndTold(part, action.to, copy, context.options, action.toFormat === "qcow2");
    await rename(part, action.to);
  } catch (error) {
    await removeFile(part);
    throw error;
  }
  await syncPath(dirname(action.to));
}

/** What some layers hold, each over the one before, into one file on another. Cut or failed, nothing of it stays. */
export async function performConvertDelta(context: ActionContext, action: ActionOf<"convert-delta">): Promise<void> {
  const part = `${action.to}.part`;
  const parts = [part, `${action.to}.plain.part`];
  const { path: under, format } = action.backing;
  await requireImages(...action.layers, { path: resolve(dirname(action.to), under), format });
  for (const part of parts) {
    await removeFile(part);
    await createEmpty(part, 0o600); // qemu-img would let the umask decide who may read it
  }
  try {
    const { signal, onProgress } = context.options;
    const [made, ...copies] = convertDelta(action, action.to, await deltaBelow(context, action));
    const copy = async () => {
      await withSecrets(context, secretsOfDelta(action), async (held) => {
        const how = {
          ...held,
          ...(signal ? { signal } : {}),
          onOutput: (text: string) => {
            const fraction = parseProgress(text);
            if (fraction !== null) onProgress?.(fraction);
          },
        };
        if (made !== undefined) await runLuks(context, made, how, part);
        if (action.encrypt !== undefined) await requireEncrypted(context, part);
        for (const command of copies) await context.processes.output(command, how);
      });
      await setMode(part, action.mode);
    };
    await writtenAndTold(part, action.to, copy, context.options, false);
    await rename(part, action.to);
  } finally {
    for (const part of parts) await removeFile(part);
  }
  await syncPath(dirname(action.to));
}

/** Afterwards `part`, which is to become `to`, is on the disk, and its sums are told where they are wanted. */
async function writtenAndTold(
  part: string,
  to: string,
  copy: () => Promise<void>,
  { sums, signal }: ActionContext["options"],
  inOrder: boolean,
): Promise<void> {
  const all = await writtenOut(
    part,
    copy,
    sums && { blockBytes: sums.blockBytes, inOrder, ...(signal ? { signal } : {}) },
  );
  sums?.taken(to, all);
}

async function deltaBelow(
  { processes }: ActionContext,
  { layers, to, backing, encrypt }: ActionOf<"convert-delta">,
): Promise<DeltaBelow | undefined> {
  if (encrypt === undefined) return undefined;
  const counts: number[] = [];
  for (const { path, secret } of layers) counts.push(secret === undefined ? 0 : await filesBelow(processes, path));
  return { target: 1 + (await filesBelow(processes, resolve(dirname(to), backing.path))), layers: counts };
}

type FileAction = ActionOf<"commit" | "rebase" | "relink" | "resize-disk">;

async function runAll(context: ActionContext, action: FileAction, below: Below | undefined): Promise<void> {
  const secrets = action.secret === undefined ? [] : [{ secret: action.secret }];
  const { signal } = context.options;
  const cut = "mayStop" in action && signal !== undefined ? { signal } : {};
  await withSecrets(context, secrets, async (how) => {
    for (const command of commandsFor(action, context.virsh, below)) {
      await context.processes.output(command, { ...how, ...cut });
    }
  });
}

/** Only who opens encrypted files must say the secret of each. */
async function belowOf(
  { processes }: ActionContext,
  path: string,
  secret: string | undefined,
  onto?: string,
): Promise<Below | undefined> {
  if (secret === undefined) return undefined;
  const image = await filesBelow(processes, path);
  return { image, backing: onto === undefined ? 0 : await filesBelow(processes, onto) };
}
