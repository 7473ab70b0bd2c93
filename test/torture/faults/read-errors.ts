/** Errors of a disk (EIO), put in by strace(1) in place of what the kernel would have answered. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Dice } from "../dice.ts";
import type { Scene } from "../scene.ts";
import { type Fault, quietly } from "./fault.ts";

/** On any file. What is written by write(2) may be a pipe, and what is read first is the program itself. */
const ANYWHERE = ["fsync", "fdatasync", "pwrite64", "rename", "unlink", "link", "ftruncate"];
const OF_ONE_FILE = "read,pread64,preadv,write,pwrite64,pwritev,fsync,fdatasync,ftruncate,copy_file_range";

const inFolder = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];

/** One of what estrato may have to read or write. */
function someFile({ ground, model }: Scene, dice: Dice): string | undefined {
  const { home } = ground;
  const stored = ["layers", "records", "things", "state", "journal"].map((one) => inFolder(join(home, one)));
  const backups = model.of("backup").map(({ id, target }) => inFolder(join(target ?? "", id)));
  const groups = [
    [join(home, "state.json"), join(home, "state.next.json"), join(home, "layers")],
    ...stored,
    ...backups,
  ];
  return dice.pick(dice.pick(groups.filter((one) => one.length > 0)) ?? []);
}

export const readErrors: Fault = {
  name: "errors of the disk",
  weight: 8,
  strike(scene, dice) {
    const log = join(scene.ground.folder, "strace.log");
    const call = dice.pick(ANYWHERE) as string;
    const first = 1 + dice.below(dice.chance(60) ? 3 : 20);
    const file = dice.chance(50) ? someFile(scene, dice) : undefined;
    const [calls, when] = file === undefined ? [call, `${first}`] : [OF_ONE_FILE, `${1 + dice.below(3)}+`];
    const paths = file === undefined ? [] : ["-P", file];
    const inject = `inject=${calls}:error=EIO:when=${when}`;
    let struck = false;
    return {
      text: `${file ?? calls} ${when}`,
      ending: { under: ["strace", "-f", "-qq", "-o", log, ...paths, "-e", `trace=${calls}`, "-e", inject] },
      over: quietly(() => {
        struck = readFileSync(log, "utf8").includes("(INJECTED)");
        rmSync(log);
      }),
      struck: () => struck,
    };
  },
};
