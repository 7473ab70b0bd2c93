/** File systems that are full, or cannot be written. */
import { existsSync } from "node:fs";
import { sure } from "../../e2e/processes.ts";
import { ROOM } from "../ground.ts";
import { type Fault, quietly } from "./fault.ts";

const full = (name: string, weight: number, which: "store" | "target"): Fault => ({
  name,
  weight,
  async strike({ ground }, dice) {
    const folder = which === "store" ? ground.folder : ground.targets[1];
    const size = (text: string) => sure("mount", "-o", `remount,size=${text}`, folder);
    const used = Number((await sure("df", "--output=used", "-k", folder)).split("\n")[1]);
    await size(`${used + 4 + dice.below(600)}k`);
    return { over: quietly(() => size(ROOM)) };
  },
});

const readOnly = (name: string, weight: number, which: "store" | "target"): Fault => ({
  name,
  weight,
  // A mount of its own over it: a guest that writes by the old one would keep the file system from being changed.
  async strike({ ground }) {
    const folder = which === "store" ? ground.home : ground.targets[1];
    if (!existsSync(folder)) return null;
    await sure("mount", "--bind", folder, folder);
    await sure("mount", "-o", "remount,bind,ro", folder);
    return { over: quietly(() => sure("umount", "-l", folder)) };
  },
});

export const space: readonly Fault[] = [
  full("no space", 5, "store"),
  full("target full", 3, "target"),
  readOnly("store read-only", 3, "store"),
  readOnly("target read-only", 3, "target"),
];
