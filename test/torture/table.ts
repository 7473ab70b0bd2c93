/** Every move that there is. */
import type { Move } from "./deed.ts";
import { backupMoves } from "./moves/backups.ts";
import { imageMoves } from "./moves/images.ts";
import { instanceMoves } from "./moves/instances.ts";
import { othersMoves } from "./moves/others.ts";
import { pairMoves } from "./moves/pairs.ts";
import { recordMoves } from "./moves/records.ts";
import { scheduleMoves } from "./moves/schedules.ts";
import { snapshotMoves } from "./moves/snapshots.ts";
import { strangerMoves } from "./moves/strangers.ts";
import { volumeMoves } from "./moves/volumes.ts";

export const verbs: readonly Move[] = [
  ...instanceMoves,
  ...volumeMoves,
  ...snapshotMoves,
  ...imageMoves,
  ...backupMoves,
  ...scheduleMoves,
  ...recordMoves,
  ...pairMoves,
];

export const others: readonly Move[] = [...othersMoves, ...strangerMoves];

/** Makes the store, with an image in it. */
export const firstMove = imageMoves[0] as Move;
