/** How large and how old what is to go is: before the yes, people are told what they give up. */
import { humanSize } from "../units.ts";
import type { World } from "./ports.ts";

/** `, 1.5 GiB, 3 days old`; what is null is left out. To be put behind what it is about. */
export function sizedAndDated(world: World, bytes: number | null, createdAt: string | null): string {
  const age = createdAt === null ? null : ageOf(world.clock.now().getTime() - new Date(createdAt).getTime());
  return [bytes === null ? null : humanSize(bytes), age].map((words) => (words === null ? "" : `, ${words}`)).join("");
}

const AGES = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

function ageOf(ms: number): string {
  const [unit, unitMs] = AGES.find(([, each]) => ms >= each) ?? ["minute", 60_000];
  const count = Math.floor(ms / unitMs);
  if (count < 1) return "just made";
  return `${count} ${unit}${count === 1 ? "" : "s"} old`;
}
