// What lies where in the packages.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

const HOME = "usr/lib/estrato";
/** In both packages: what a line of cron or a unit says stays true when one of them takes the place of the other. */
const NODE = `${HOME}/node`;

/** Lays out the files under `staged`. `ownNode`: the Node to bring, or null for Debian's. */
export function layOut({ root, staged, debian, ownNode, madeAt }) {
  const write = (path, content, mode = 0o644) => {
    folder(dirname(path));
    writeFileSync(join(staged, path), content);
    chmodSync(join(staged, path), mode); // whatever the umask is
  };
  const folder = (path, mode = 0o755) => {
    mkdirSync(join(staged, path), { recursive: true, mode: 0o755 });
    chmodSync(join(staged, path), mode);
  };
  const copy = (from, to) => write(to, readFileSync(join(root, from)));
  const packed = (path, content) => write(`${path}.gz`, gzipSync(content, { level: 9 }));

  const program = readFileSync(join(root, "bin/estrato"), "utf8").replace(
    /^#!.*/,
    `#!/${ownNode === null ? "usr/bin/node" : NODE}`,
  );
  write(`${HOME}/bin/estrato`, program, 0o755);
  copy("bin/package.json", `${HOME}/bin/package.json`);
  for (const file of ["program.json", "program.pack"]) copy(`dist/${file}`, `${HOME}/dist/${file}`);
  folder("usr/bin");
  symlinkSync(`../lib/estrato/bin/estrato`, join(staged, "usr/bin/estrato"));
  if (ownNode === null) {
    symlinkSync("../../bin/node", join(staged, NODE));
  } else {
    copyFileSync(ownNode, join(staged, NODE));
    execFileSync("strip", ["--strip-unneeded", join(staged, NODE)]);
    chmodSync(join(staged, NODE), 0o755);
  }

  for (const file of readdirSync(join(root, "man"))) {
    const [, name, language, section] = /^(.+?)(?:\.([a-z]{2}))?\.(\d)$/.exec(file) ?? [];
    if (name === undefined) continue;
    const place = language === undefined ? "usr/share/man" : `usr/share/man/${language}`;
    packed(`${place}/man${section}/${name}.${section}`, readFileSync(join(root, "man", file)));
  }
  for (const file of readdirSync(join(root, "schemas"))) copy(`schemas/${file}`, `usr/share/estrato/schemas/${file}`);
  const script = (shell) => execFileSync(join(root, "bin/estrato"), ["completion", shell]);
  write("usr/share/bash-completion/completions/estrato", script("bash"));
  write("usr/share/zsh/vendor-completions/_estrato", script("zsh"));
  write("usr/share/fish/vendor_completions.d/estrato.fish", script("fish"));

  const documents = "usr/share/doc/estrato";
  packed(`${documents}/changelog`, readFileSync(join(root, "CHANGELOG.md")));
  packed(`${documents}/changelog.Debian`, debianChangelog(debian.version, madeAt));
  write(`${documents}/copyright`, copyright(root, ownNode));
  const overrides = ["lintian-overrides", ...(ownNode === null ? [] : ["lintian-overrides.own-node"])];
  const reasons = overrides.map((file) => readFileSync(join(root, "packaging/debian", file), "utf8"));
  write("usr/share/lintian/overrides/estrato", reasons.join(""));

  folder("etc/estrato");
  // QEMU's user passes through to the layers, and lists nothing.
  folder("var/lib/estrato", 0o711);
}

export const MAINTAINER = "The estrato developers <maintainers@estrato.invalid>";

function debianChangelog(version, madeAt) {
  const when = madeAt.toUTCString().replace(/GMT$/, "+0000");
  return `estrato (${version}) unstable; urgency=medium\n\n  * See changelog.gz for what is new.\n\n -- ${MAINTAINER}  ${when}\n`;
}

/** With the licences of what is bundled, and of the Node that goes along. */
function copyright(root, ownNode) {
  const parts = [
    `estrato:\n\n${readFileSync(join(root, "LICENSE"), "utf8").trim()}`,
    `The program holds these packages:\n\n${readFileSync(join(root, "dist/THIRD-PARTY.txt"), "utf8").trim()}`,
  ];
  if (ownNode !== null) {
    const places = ["LICENSE", "share/doc/nodejs/LICENSE", "share/doc/node/LICENSE"];
    const prefix = dirname(dirname(ownNode));
    const texts = places.flatMap((place) => {
      try {
        return [readFileSync(join(prefix, place), "utf8").trim()];
      } catch {
        return [];
      }
    });
    if (texts[0] === undefined) throw new Error(`${prefix}: the licence of this Node is not found, and must go along`);
    parts.push(`/${NODE} is Node.js ${process.version}:\n\n${texts[0]}`);
  }
  return `${parts.join(`\n\n${"=".repeat(72)}\n\n`)}\n`;
}
