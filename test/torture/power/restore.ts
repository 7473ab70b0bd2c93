/** Makes a folder what the model of its disk says that a power cut left of it. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Disk, Node } from "./disk.ts";

/** Owner, mode and ACL of the first become those of the second. */
const AS_IT_WAS = 'chown --reference="$1" "$2" && getfacl -cp "$1" | setfacl --set-file=- "$2"';

/** Returns the paths that are not what processes last saw. What is the same stays the same file. */
export function restore(disk: Disk, folder: string): string[] {
  return restoreFolder(disk, disk.root, folder);
}

function restoreFolder(disk: Disk, node: Node, folder: string): string[] {
  const changed: string[] = [];
  for (const name of readdirSync(folder)) {
    if (node.kept.entries.has(name)) continue;
    rmSync(join(folder, name), { recursive: true });
    changed.push(`${join(folder, name)} is gone`);
  }
  for (const [name, one] of node.kept.entries) {
    const path = join(folder, name);
    if (one.kind === "other") continue;
    if (existsSync(path) && lstatSync(path).isDirectory() !== (one.kind === "folder"))
      rmSync(path, { recursive: true });
    const isThere = existsSync(path);
    if (one.kind === "folder") {
      if (!isThere) mkdirSync(path);
      changed.push(...restoreFolder(disk, one, path));
    } else {
      const bytes = disk.bytes(one, "kept");
      if (isThere && readFileSync(path).equals(bytes)) continue;
      writeFileSync(path, bytes);
      changed.push(isThere ? `${path} has lost bytes` : `${path} is back`);
    }
    if (!isThere) likeBefore(one, path);
  }
  return changed;
}

function likeBefore({ before, kind }: Node, path: string): void {
  if (before === null) chmodSync(path, kind === "file" ? 0o600 : 0o700);
  else execFileSync("sh", ["-c", AS_IT_WAS, "sh", before, path]);
}
