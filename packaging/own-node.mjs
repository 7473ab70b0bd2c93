// The Node that Debian 12's package brings: which libraries it needs, and whether Debian 12 has them.
import { readFileSync } from "node:fs";

/** What each of these is called in Debian, the mark of its symbols, and the newest that Debian 12 has. */
const LIBRARIES = [
  { package: "libc6", symbol: /GLIBC_(\d+\.\d+)/g, newest: "2.36", since: (version) => version },
  // libstdc++ of GCC 12 has symbols up to GLIBCXX_3.4.30; GCC 9 brought .28, and each later one adds one.
  { package: "libstdc++6", symbol: /GLIBCXX_3\.4\.(\d+)/g, newest: "30", since: (minor) => String(Number(minor) - 19) },
];

/**
 * The Depends of a package that holds this Node. Throws where it is linked with more than C's and C++'s own libraries
 * (as a distribution's Node may be), or with newer ones than Debian 12's: it would not start there.
 */
export function nodeNeeds(path) {
  const bytes = readFileSync(path).toString("latin1");
  if (/libnode\.so|libuv\.so|libicuuc\.so/.test(bytes))
    throw new Error(`${path}: needs libraries beside it. Build with a Node from nodejs.org, or give --of 13.`);
  const needs = LIBRARIES.map(({ package: name, symbol, newest, since }) => {
    const found = [...bytes.matchAll(symbol)].map(([, version]) => version);
    const wanted = found.sort(byVersion).at(-1) ?? "0";
    if (byVersion(wanted, newest) > 0) throw new Error(`${path}: needs a newer ${name} than Debian 12 has`);
    return `${name} (>= ${since(wanted)})`;
  });
  return [...needs, "libgcc-s1"];
}

function byVersion(a, b) {
  const [left, right] = [a, b].map((one) => one.split(".").map(Number));
  return left[0] - right[0] || (left[1] ?? 0) - (right[1] ?? 0);
}
