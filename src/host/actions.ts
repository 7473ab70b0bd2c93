/** Carries out an action. One branch per member of `Action`; what each owes is said in action.ts. */
import { chown, lchown } from "node:fs/promises";
import type { Action } from "../core/model/action.ts";
import { isOutOfReach, markUse, openPassage, setAccess } from "./access.ts";
import { performRelease, performReserve } from "./actions/addresses.ts";
import {
  performBlockCommit,
  performBlockCommitActive,
  performBlockPull,
  performSettleJob,
} from "./actions/block-jobs.ts";
import { performCloseUnused } from "./actions/close-unused.ts";
import type { ActionContext } from "./actions/context.ts";
import {
  performCommit,
  performConvert,
  performConvertDelta,
  performCreateDisk,
  performRebase,
  performResize,
} from "./actions/disk-files.ts";
import {
  performAwaitJob,
  performDefine,
  performLife,
  performMark,
  performRedefine,
  performRename,
  performShutdown,
  performSyncClock,
  performThaw,
} from "./actions/domains.ts";
import { performSetForwards } from "./actions/forwards.ts";
import {
  performAttach,
  performBlockResize,
  performDetach,
  performRestore,
  performSwitch,
} from "./actions/live-disks.ts";
import { performDefineSecret, performUndefineSecret } from "./actions/secrets.ts";
import { performSysprep } from "./actions/sysprep.ts";
import { performPlaceTpm, performRemoveTpm, performSaveTpm } from "./actions/tpm.ts";
import { setCrontab } from "./crontab.ts";
import { performDownload } from "./download/download.ts";
import { forgetPart } from "./download/kept.ts";
import { copyFile, fileInfo, moveFile, removeDurably, setMode, syncNamed } from "./files.ts";
import { discardFolder, makeFolder, moveFolder, removeFolder, writeWhole } from "./folders.ts";
import { createSeed, removeHalfMade, renewSeed } from "./seed.ts";

export async function perform(context: ActionContext, action: Action): Promise<void> {
  switch (action.do) {
    case "create-disk":
      return performCreateDisk(context, action);
    case "move-file":
      return moveFile(action.from, action.to, action.replace);
    case "convert":
      return performConvert(context, action);
    case "sysprep":
      return performSysprep(context, action);
    case "download":
      return performDownload(context, action);
    case "convert-delta":
      return performConvertDelta(context, action);
    case "move-folder":
      return moveFolder(action.from, action.to);
    case "discard-folder":
      return discardFolder(action.path);
    case "commit":
      return performCommit(context, action);
    case "rebase":
    case "relink":
      return performRebase(context, action);
    case "resize-disk":
      return performResize(context, action);
    case "switch-disks":
      return performSwitch(context, action);
    case "await-job":
      return performAwaitJob(context, action);
    case "sync-clock":
      return performSyncClock(context, action);
    case "thaw":
      return performThaw(context, action);
    case "define":
      return performDefine(context, action);
    case "redefine":
      return performRedefine(context, action);
    case "undefine":
    case "start":
    case "destroy":
    case "suspend":
    case "resume":
    case "autostart":
    case "reboot":
      return performLife(context, action);
    case "mark-domain":
      return performMark(context, action);
    case "rename":
      return performRename(context, action);
    case "shutdown":
      return performShutdown(context, action);
    case "block-pull":
      return performBlockPull(context, action);
    case "block-commit":
      return performBlockCommit(context, action);
    case "block-commit-active":
      return performBlockCommitActive(context, action);
    case "settle-job":
      return performSettleJob(context, action);
    case "close-unused":
      return performCloseUnused(context, action);
    case "restore-memory":
      return performRestore(context, action);
    case "attach-disk":
      return performAttach(context, action);
    case "detach-disk":
      return performDetach(context, action);
    case "block-resize":
      return performBlockResize(context, action);
    case "define-secret":
      return performDefineSecret(context, action);
    case "undefine-secret":
      return performUndefineSecret(context, action);
    case "set-mode":
      return setMode(action.path, action.mode, action);
    case "set-access":
      return setAccess(context.processes, action);
    case "open-passage":
      return openPassage(action.path);
    case "make-folder":
      return makeFolder(action.path);
    case "remove-folder":
      return removeFolder(action.path);
    case "write-file":
      return writeWhole(action.path, action.text, action.mode, action.ifNone);
    case "mark-use":
      return markUse(action.path, action.on);
    case "set-owner":
      return setOwner(action);
    case "sync":
      return syncNamed(action.path);
    case "unlink":
      if (/\.iso(\.making)?$/.test(action.path)) await removeHalfMade(action.path);
      if (action.path.endsWith(".download")) await forgetPart(action.path);
      return removeDurably(action.path);
    case "copy-file":
      return copyFile(action.from, action.to, action.mode);
    case "save-tpm":
      return performSaveTpm(context, action);
    case "place-tpm":
      return performPlaceTpm(context, action);
    case "remove-tpm":
      return performRemoveTpm(context, action);
    case "reserve-address":
      return performReserve(context, action);
    case "release-address":
      return performRelease(context, action);
    case "set-forwards":
      return performSetForwards(context, action);
    case "run-hook":
      return runHook(context, action);
    case "set-crontab":
      return setCrontab(context.processes, action, context.options.lockFds ?? []);
    case "create-seed":
      return createSeed(context.processes, action);
    case "renew-seed":
      return renewSeed(action);
  }
}

async function setOwner({ path, uid, gid, ofLink }: Extract<Action, { do: "set-owner" }>): Promise<void> {
  try {
    const now = await fileInfo(path);
    if (now === null || (now.uid === uid && now.gid === gid)) return;
    await (ofLink === true ? lchown : chown)(path, uid, gid);
  } catch (error) {
    if (ofLink !== true || !isOutOfReach(error)) throw error;
  }
}

async function runHook(
  { processes, options }: ActionContext,
  action: Extract<Action, { do: "run-hook" }>,
): Promise<void> {
  const { path, environment, timeoutMs } = action;
  const { signal } = options;
  const how = { environment, timeoutMs, leavesBehind: true, ...(signal ? { signal } : {}) };
  await processes.output({ program: path, args: [] }, how);
}
