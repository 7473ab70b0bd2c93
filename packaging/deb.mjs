// `npm run deb`: makes the Debian packages of what is built in dist/, into the folder debs/ or the one that is named.
//   node packaging/deb.mjs [--of 12|13]… [--version VERSION] [FOLDER]
// Debian 13's depends on its Node; Debian 12's is too old for estrato, so that one brings the Node that runs here.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { control } from "./control.mjs";
import { nodeNeeds } from "./own-node.mjs";
import { layOut } from "./tree.mjs";

const root = resolve(import.meta.dirname, "..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { of: { type: "string", multiple: true, default: ["12", "13"] }, version: { type: "string" } },
});
const folder = resolve(positionals[0] ?? join(root, "debs"));
mkdirSync(folder, { recursive: true });

const commit = (format) =>
  execFileSync("git", ["-C", root, "log", "-1", `--format=${format}`, "--date=format-local:%Y%m%d%H%M"], {
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC" },
  }).trim();
const madeAt = new Date(Number(commit("%ct")) * 1000);
const version = values.version ?? versionOfTree();

for (const generation of values.of) {
  if (generation !== "12" && generation !== "13") throw new Error(`--of ${generation}: give 12 or 13`);
  const ownNode = generation === "12" ? process.execPath : null;
  const debian = {
    // "~" sorts before nothing: whoever goes on to Debian 13 gets its package in the place of this one.
    version: ownNode === null ? version : `${version}~deb12`,
    architecture: ownNode === null ? "all" : architecture(),
    node: ownNode === null ? ["nodejs (>= 20.19)"] : nodeNeeds(ownNode),
  };
  const staged = mkdtempSync(join(tmpdir(), "estrato-deb."));
  try {
    layOut({ root, staged, debian, ownNode, madeAt });
    control({ root, staged, debian });
    const file = join(folder, `estrato_${debian.version}_${debian.architecture}.deb`);
    // Of one moment, so that one commit makes one package.
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "-z2", "--build", staged, file], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(madeAt.getTime() / 1000) },
    });
    process.stdout.write(`${file}\n`);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}

/** The package's own version; of a tree with changes that are not released, one that sorts after it. */
function versionOfTree() {
  const { version: released } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const changes = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  const unreleased = /^## \[Unreleased\]\n([\s\S]*?)^## \[/m.exec(changes)?.[1] ?? "";
  return unreleased.trim() === "" ? released : `${released}+${commit("%cd")}`;
}

function architecture() {
  return execFileSync("dpkg", ["--print-architecture"], { encoding: "utf8" }).trim();
}
