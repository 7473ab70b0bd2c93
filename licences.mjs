// What the licences of the bundled packages ask for: their texts go along with the program.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The text of dist/THIRD-PARTY.txt: each package of which something is in the bundle, with its licence. Throws where a
 * package names none.
 * @param {string} root the folder that holds node_modules
 * @param {import("esbuild").Metafile} metafile what esbuild says of the bundle
 */
export function thirdParty(root, metafile) {
  const folders = new Set();
  for (const path of Object.keys(metafile.inputs)) {
    const found = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path);
    if (found !== null) folders.add(found[0]);
  }
  return [...folders]
    .sort()
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
      if (typeof license !== "string") throw new Error(`${folder}: names no licence`);
      const file = readdirSync(join(root, folder)).find((one) => /^licen[cs]e/i.test(one));
      const text = file === undefined ? "" : `\n${readFileSync(join(root, folder, file), "utf8").trim()}\n`;
      return `${name} ${version}\nLicence: ${license}\n${text}`;
    })
    .join(`\n${"-".repeat(72)}\n\n`);
}
