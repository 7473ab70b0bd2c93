/** What `instance exec`, `push` and `pull` print where a format, a column or a query asks for it. */
import type { Pulled } from "../../core/guest/pull.ts";
import type { Pushed } from "../../core/guest/push.ts";
import { type Column, flag, number, size, text } from "../../ui/output/columns.ts";
import { oneOf } from "../../ui/output/shape.ts";

/** A command that has ended, with what it said. */
export interface Executed {
  readonly instance: string;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly encoding: "utf-8" | "base64";
  readonly truncated: boolean;
}

export const execColumns: readonly Column<Executed>[] = [
  text("instance", (row) => row.instance),
  number("exit_code", (row) => row.exitCode, { orNull: true }),
  number("signal", (row) => row.signal, { orNull: true }),
  text("stdout", (row) => row.stdout),
  text("stderr", (row) => row.stderr),
  text("encoding", (row) => row.encoding, { shape: oneOf("utf-8", "base64") }),
  flag("truncated", (row) => row.truncated),
];

export const pushColumns: readonly Column<Pushed>[] = [
  text("instance", (row) => row.instance),
  text("path", (row) => row.path),
  size("size_bytes", (row) => row.sizeBytes),
  text("sha256", (row) => row.sha256),
];

export const pullColumns: readonly Column<Pulled & { readonly file: string | null }>[] = [
  text("instance", (row) => row.instance),
  text("path", (row) => row.path),
  text("file", (row) => row.file, { orNull: true }),
  size("size_bytes", (row) => row.sizeBytes),
];
