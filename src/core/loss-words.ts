/** How large and how old what is to go is: before the yes, people are told what they give up. */
import { humanAge, humanSize } from "../units.ts";
import type { World } from "./ports.ts";

/** `, 1.5 GiB, made 3 days ago`; what is null is left out. To be put behind what it is about. */
export function sizedAndDated(world: World, bytes: number | null, createdAt: string | null): string {
  const size = bytes === null ? "" : `, ${humanSize(bytes)}`;
  const age = createdAt === null ? "" : `, made ${humanAge(createdAt, world.clock.now().getTime())}`;
  return `${size}${age}`;
}
