/** The action "download": curl fetches, and goes on where it was cut off. */
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EstratoError, NoAnswer } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { type ActionContext, type ActionOf, holdingLocks } from "../actions/context.ts";
import type { ChildResult } from "../child.ts";
import { freeBytes, removeFile } from "../files.ts";
import { printable } from "../process-failure.ts";
import { type HttpAnswer, lastAnswer } from "./answer.ts";
import { curl, curlFailure, isCut, NO_RANGE, TOO_LARGE } from "./curl.ts";
import { findKept, forgetPart, headsOf, isKept, type KeptPart, keepPart } from "./kept.ts";

type Download = ActionOf<"download">;

/** Left free for whatever else grows there. */
const RESERVE_BYTES = 128 * 1024 ** 2;
const ATTEMPTS = 10;
const ATTEMPTS_FOR_NOTHING = 3;
/** Before the next attempt; four times as long after each that brought nothing. */
const PAUSE_MS = 100;
const GOES_ON = "The same command goes on where it stopped.";

/** Fetches the whole file, or throws. A part that may be gone on with stays, anything else goes. */
export async function performDownload(context: ActionContext, action: Download, free = freeBytes): Promise<void> {
  try {
    await fetchAll(context, action, free);
  } catch (error) {
    const kept = await isKept(action.to);
    if (!kept) await forgetPart(action.to);
    throw error instanceof NoAnswer ? silent(action, error, kept) : error;
  } finally {
    await removeFile(headsOf(action.to));
  }
}

type Free = typeof freeBytes;

async function fetchAll(context: ActionContext, action: Download, free: Free): Promise<void> {
  let fruitless = 0;
  for (let attempt = 1; ; attempt += 1) {
    const kept = await findKept(action.to, action.url);
    const { result, answer, isOther } = await tryOnce(context, action, kept, free);
    if (isOther || (kept !== null && (result.exit === NO_RANGE || answer?.status === 416))) {
      await forgetPart(action.to); // the server has another file now, or cannot go on with this one
      continue;
    }
    if (result.exit === 0) return await requireLength(action, answer);
    const goesOn = await isKept(action.to);
    if (!goesOn || !isCut(result.exit)) throw curlFailure(action.url, result, answer, goesOn ? GOES_ON : null);
    const came = (await sizeOf(action.to)) - (kept?.bytes ?? 0);
    fruitless = came > 0 ? 0 : fruitless + 1;
    if (attempt >= ATTEMPTS || fruitless >= ATTEMPTS_FOR_NOTHING) throw cutOff(action, answer, await sizeOf(action.to));
    await context.sleep(PAUSE_MS * 4 ** fruitless, context.options.signal);
  }
}

async function requireLength(action: Download, answer: HttpAnswer | null): Promise<void> {
  const bytes = await sizeOf(action.to);
  if (answer?.totalBytes == null || answer.totalBytes === bytes) return;
  await forgetPart(action.to);
  const why = `${printable(action.url)}: ${bytes} bytes came of ${answer.totalBytes}`;
  throw new EstratoError("host", why, { hint: "The same command begins anew." });
}

interface Tried {
  readonly result: ChildResult;
  readonly answer: HttpAnswer | null;
  /** It goes on with another file than ours. */
  readonly isOther: boolean;
}

async function tryOnce(context: ActionContext, action: Download, kept: KeptPart | null, free: Free): Promise<Tried> {
  const { url, to } = action;
  const heads = headsOf(to);
  await removeFile(heads);
  const largestBytes = await roomFor(action, kept?.bytes ?? 0, free);
  const ours = new AbortController();
  let answer: HttpAnswer | null = null;
  let isOther = false;
  let noRoom: EstratoError | null = null;

  let looking: Promise<unknown> = Promise.resolve();
  /** One after the other: none may write of a part that has been let go of since. */
  function look(): Promise<string> {
    const next = looking.then(lookOnce);
    looking = next.catch(() => undefined);
    return next;
  }

  async function lookOnce(): Promise<string> {
    const [said, bytes] = [await readFile(heads, "latin1").catch(() => ""), await sizeOf(to)];
    if (answer === null && bytes > (kept?.bytes ?? 0)) {
      answer = lastAnswer(said);
      if (answer !== null && kept !== null && !isSame(answer, kept)) isOther = true;
      else if (answer !== null) await keepPart(to, url, answer);
    }
    if (isOther) ours.abort();
    else if (answer !== null) await showProgress(answer, bytes);
    return `${said.length} ${bytes}`;
  }

  async function showProgress({ totalBytes }: HttpAnswer, bytes: number): Promise<void> {
    context.options.onBytes?.(Math.min(bytes, totalBytes ?? bytes), totalBytes);
    if (totalBytes !== null || (await free(dirname(to))) >= RESERVE_BYTES) return;
    noRoom = tooLarge(action, null, largestBytes); // its length was not said: curl cannot know
    ours.abort();
  }

  const { signal } = context.options;
  const command = curl({ url, to, largestBytes, heads, ...(kept === null ? {} : { from: kept }) });
  const end = signal ? AbortSignal.any([signal, ours.signal]) : ours.signal;
  let result: ChildResult;
  try {
    const how = { ...holdingLocks(context), as: "work", progress: look, signal: end, endsWithUs: true } as const;
    result = await context.processes.run(command, how);
  } catch (error) {
    if (noRoom !== null) throw noRoom;
    if (!isOther) {
      await look(); // what has come since the last one is of that file, too
      throw error;
    }
    result = { exit: null, stdout: "", stderr: "" };
  }
  await look();
  if (noRoom !== null) throw noRoom;
  answer ??= lastAnswer(await readFile(heads, "latin1").catch(() => ""), true);
  if (result.exit === TOO_LARGE) throw tooLarge(action, answer?.totalBytes ?? null, largestBytes);
  return { result, answer, isOther };
}

function isSame({ status, etag, fromByte, totalBytes }: HttpAnswer, kept: KeptPart): boolean {
  return status === 206 && etag === kept.etag && fromByte === kept.bytes && totalBytes === kept.totalBytes;
}

/** How much may still come; "host" where that is nothing. */
async function roomFor(action: Download, keptBytes: number, freeNow: Free): Promise<number> {
  const free = (await freeNow(dirname(action.to))) - RESERVE_BYTES;
  const room = Math.floor((free + keptBytes) / action.copies) - keptBytes;
  if (room > 0) return room;
  throw tooLarge(action, null, room);
}

function tooLarge({ url, to, copies }: Download, totalBytes: number | null, room: number): EstratoError {
  const size = totalBytes === null ? "" : `, of ${humanSize(totalBytes)},`;
  const twice = copies === 1 ? "" : " (the image is made beside it)";
  const why = `${printable(url)}: there is no room for it${size} in ${dirname(to)}${twice}`;
  const hint = `Free some space: ${humanSize(Math.max(0, room))} would go in. "estrato usage" shows what waits to be collected.`;
  return new EstratoError("host", why, { hint });
}

function cutOff({ url }: Download, answer: HttpAnswer | null, bytes: number): EstratoError {
  const total = answer?.totalBytes;
  const of = total == null ? "" : ` of ${humanSize(total)}`;
  return new EstratoError(
    "host",
    `${printable(url)}: the download was cut off again and again, at ${humanSize(bytes)}${of}`,
    {
      hint: GOES_ON,
    },
  );
}

function silent({ url }: Download, cause: NoAnswer, kept: boolean): EstratoError {
  const hint = kept ? GOES_ON : "Try again, or give another mirror's URL.";
  return new EstratoError("timeout", `${printable(url)}: ${cause.message.replace(/^curl: /, "")}`, { hint, cause });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}
