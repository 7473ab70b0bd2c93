/**
 * Recorded sessions: lines that are typed at a real terminal, 80 and 140 columns wide, and all that stands on it
 * afterwards, compared with `recorded/NAME.80.txt` and `recorded/NAME.140.txt`. ESTRATO_RECORD=1 writes these anew:
 * look at what changed before you commit it.
 *
 *   session("instance-list", "estate", ["estrato instance list"]);
 *   session("instance-delete", "estate", async (screen) => {
 *     screen.begin("estrato instance delete web2");
 *     await screen.shows("(y/N)");
 *     screen.type("y");
 *     screen.press("Enter");
 *     await screen.done();
 *   });
 *
 * `estrato` is the program, on the machine and the store in memory of a scene (`scenes.ts`). Its clock stands still and
 * its ids come in order. What a line leaves is there for the next.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildOptions } from "../../../build.mjs";
import { openScreen, type Screen } from "./screen.ts";

const WIDTHS = [80, 140] as const;
const RECORDED = new URL("recorded/", import.meta.url);

const folder = mkdtempSync(join(tmpdir(), "estrato-terminal-"));
const player = join(folder, "program.mjs");
const { NODE_EXTRA_CA_CERTS: _costs37MsPerStart, ...env } = process.env;

beforeAll(async () => {
  const entryPoints = [join(import.meta.dirname, "program.ts")];
  await build({ ...buildOptions, entryPoints, outdir: folder, outExtension: { ".js": ".mjs" } });
  const command = `#!/bin/sh\nexec ${process.execPath} ${player} run "$SCENE" "$@"\n`;
  writeFileSync(join(folder, "estrato"), command, { mode: 0o755 });
});

afterAll(() => rmSync(folder, { recursive: true }));

/** The file of a scene, which is made once. */
function sceneFile(scene: string): string {
  const file = join(folder, scene);
  if (!existsSync(file)) {
    const made = spawnSync(process.execPath, [player, "make", scene, file], { encoding: "utf8", env });
    if (made.status !== 0) throw new Error(made.stderr);
  }
  return file;
}

let opened = 0;

/** A terminal with a shell of the system in it, in which `estrato` works on a copy of a scene. */
export function openScene(scene: string, columns: number): Promise<Screen> {
  opened += 1;
  const file = join(folder, `${scene}.${opened}`);
  copyFileSync(sceneFile(scene), file);
  return openScreen(columns, { PATH: `${folder}:${env.PATH}`, SCENE: file });
}

/** One for all sessions of a width, wiped between two of them. One that a session has failed in is not used again. */
const screens = new Map<number, Screen>();
afterAll(() => {
  for (const screen of screens.values()) screen.close();
});

async function screenOf(columns: number): Promise<Screen> {
  const there = screens.get(columns);
  if (there !== undefined) return there;
  const shell = [process.execPath, player, "shell", join(folder, `at-${columns}`)];
  const screen = await openScreen(columns, { PATH: `${folder}:${env.PATH}` }, shell);
  screens.set(columns, screen);
  return screen;
}

/** What a person does. What stands there only for a while is recorded by `noting` it. */
type Play = (screen: Screen, noting: (text: string) => void) => Promise<void>;

/** Declares a test for each width. `play`: lines to be typed one after the other, or what a person does. */
export function session(name: string, scene: string, play: readonly string[] | Play): void {
  test.each(WIDTHS)(`${name}, at %i columns`, async (columns) => {
    const screen = await screenOf(columns);
    let before = "";
    try {
      await screen.wipe(`scene ${scene} ${name}`, name);
      if (typeof play === "function") await play(screen, (text) => (before += `${text}\n---\n`));
      else for (const line of play) await screen.run(line);
    } catch (error) {
      screens.delete(columns);
      screen.close();
      throw error;
    }
    const recording = new URL(`${name}.${columns}.txt`, RECORDED);
    const text = `${before}${screen.text()}\n`;
    if (process.env.ESTRATO_RECORD) writeFileSync(recording, text);
    else expect(text).toBe(readFileSync(recording, "utf8"));
  });
}
