/**
 * What scripts read: csv (RFC 4180, with plain newlines), value (as in `openstack`), and tab-separated lines in a pipe
 * (as in `gh`).
 */
import { printable } from "../text.ts";
import { cell, type Json } from "./json.ts";

type Line = readonly Json[];

export function csvText(headers: readonly string[] | null, lines: readonly Line[]): string {
  const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = lines.map((line) => line.map((value) => printable(cell(value))));
  return [...(headers === null ? [] : [headers]), ...rows].map((row) => `${row.map(quoted).join(",")}\n`).join("");
}

/** Several columns behind spaces; null is `None`. */
export function valueText(lines: readonly Line[]): string {
  return lines.map((line) => `${line.map((value) => printable(cell(value, "None"))).join(" ")}\n`).join("");
}

export function tabText(headers: readonly string[] | null, lines: readonly Line[]): string {
  const rows = lines.map((line) => line.map((value) => printable(cell(value))));
  return [...(headers === null ? [] : [headers]), ...rows].map((row) => `${row.join("\t")}\n`).join("");
}
