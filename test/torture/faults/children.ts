/** One child of estrato is killed, or stands still, alone: by a program in front of the real one. */
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sure } from "../../e2e/processes.ts";
import { type Fault, quietly } from "./fault.ts";

/** Who comes as the Nth of its name is sent the signal after a while. What does so holds none of its files. */
const front = (real: string) => `#!/bin/sh
if [ "\${0##*/}" = "$ESTRATO_STRUCK" ]; then
  turn=1
  until mkdir "$ESTRATO_STRUCK_DIR/$turn" 2>/dev/null; do turn=$((turn + 1)); done
  if [ $turn = "$ESTRATO_STRUCK_TURN" ]; then
    (sleep "$ESTRATO_STRUCK_AFTER"; kill -"$ESTRATO_STRUCK_SIGNAL" $$) \\
      0<&- >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
    mkdir "$ESTRATO_STRUCK_DIR/struck"
  fi
fi
exec ${real} "$@"
`;

const PROGRAMS = ["virsh", "qemu-img", "flock"] as const;

const child = (signal: "KILL" | "STOP", weight: number): Fault => ({
  name: signal === "KILL" ? "a child killed" : "a child stands still",
  weight,
  async strike({ ground }, dice) {
    // flock(1) has a limit of its own, which is longer than a step should take.
    const program = dice.pick(signal === "KILL" ? PROGRAMS : PROGRAMS.slice(0, 2)) as string;
    const turn = 1 + dice.below(dice.chance(70) ? 4 : 14);
    const after = dice.chance(60) ? "0" : `0.0${1 + dice.below(5)}`;
    const folder = join(ground.folder, "children");
    const marks = join(folder, "marks");
    mkdirSync(marks, { recursive: true });
    for (const each of PROGRAMS) {
      writeFileSync(join(folder, each), front((await sure("sh", "-c", `command -v ${each}`)).trim()));
      chmodSync(join(folder, each), 0o755);
    }
    let struck = false;
    return {
      text: `${program} ${turn}, after ${after} s`,
      ending: {
        env: {
          PATH: `${folder}:${process.env.PATH}`,
          ESTRATO_HOST_TIMEOUT: signal === "STOP" ? "2" : "30",
          ESTRATO_STRUCK: program,
          ESTRATO_STRUCK_DIR: marks,
          ESTRATO_STRUCK_TURN: `${turn}`,
          ESTRATO_STRUCK_AFTER: after,
          ESTRATO_STRUCK_SIGNAL: signal,
        },
      },
      over: quietly(() => {
        struck = existsSync(join(marks, "struck"));
        rmSync(marks, { recursive: true });
      }),
      struck: () => struck,
    };
  },
});

export const children: readonly Fault[] = [child("KILL", 12), child("STOP", 3)];
