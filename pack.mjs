// Packs the modules of dist/ into one file, each with the code that V8 makes of it: bin/estrato starts from that.
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import { transform } from "esbuild";

/**
 * Writes `program.pack`, and `program.json` that says where in it the text and the compiled code are of each module
 * that `main.js` reaches. A module becomes a function of `exports`, `require` and `module`, as Node's own loader
 * makes one of CommonJS: finding, reading and linking a hundred ES modules costs Node more than running them. V8 takes
 * compiled code only of its own version and flags, and compiles the text where that is another's.
 * @param {string} dist the folder of the ES modules
 * @param {import("esbuild").Metafile} metafile what esbuild says of them
 * @param {string} banner what stands at the head of each of them for its `require`
 */
export async function pack(dist, metafile, banner) {
  const outputs = Object.entries(metafile.outputs);
  const reached = new Set(outputs.filter(([, { entryPoint }]) => entryPoint === "src/main.ts").map(([path]) => path));
  for (const path of reached)
    for (const next of metafile.outputs[path].imports) if (!next.external) reached.add(next.path);
  const places = {};
  const parts = [];
  let end = 0;
  const place = (bytes) => {
    parts.push(bytes);
    end += bytes.length;
    return end - bytes.length;
  };
  for (const path of reached) {
    const name = basename(path);
    const text = readFileSync(join(dist, name), "utf8").replace(banner, "");
    const { code } = await transform(text, {
      format: "cjs",
      platform: "node",
      target: "node20",
      minifySyntax: true,
      minifyWhitespace: true,
      charset: "ascii", // read back without decoding
      supported: { "dynamic-import": false },
      logLevel: "error", // of import.meta, which no packed module reaches
    });
    const wrapped = `(function(exports,require,module){${withPlainExports(code)}\n})`;
    const cached = compiled(wrapped, name);
    const codeAt = place(cached);
    places[`./${name}`] = [place(Buffer.from(wrapped, "latin1")), wrapped.length, codeAt, cached.length];
  }
  writeFileSync(join(dist, "program.pack"), Buffer.concat(parts));
  writeFileSync(join(dist, "program.json"), JSON.stringify(places));
}

const EXPORTS =
  /var stdin_exports=\{\};(?:__export\(stdin_exports,\{([^}]*)\}\);)?module\.exports=__toCommonJS\(stdin_exports\);/;

/**
 * What a module exports, as an object of getters and no more. esbuild makes two such objects, one property after the
 * other, for Node's own loader, and a third one for each import(): a tenth of what loading takes.
 */
function withPlainExports(code) {
  const found = EXPORTS.exec(code);
  if (found === null) throw new Error(`esbuild writes a module's exports in another way: ${code.slice(0, 1000)}`);
  const getters = (found[1] ?? "").replace(/([^,:]+):\(\)=>([^,]+)/g, "get $1(){return $2}");
  const body = code
    .slice(found.index + found[0].length)
    .replace(/0&&\(module\.exports=\{[^}]*\}\);\s*$/, "")
    .replace(/__toESM\(require\("(\.\/[^"]+)"\)\)/g, 'require("$1")');
  const helpers =
    /(?<![.\w])__(?:create|defProp|getOwnProp\w+|getProtoOf|hasOwnProp|export|copyProps|toESM|toCommonJS)\b/;
  const toTheirs = helpers.test(body) ? code.slice(0, found.index) : "";
  return toTheirs + withLateImports(`module.exports={${getters}};${body}`);
}

/**
 * Modules of ours run at the first use of what they export, not where they are imported: most of what a verb's files
 * import is for cases that do not come up. None of them does anything when it runs but say what it exports.
 */
function withLateImports(body) {
  const names = new Set();
  const late = body.replace(/\b(import_\w+)=require\("(\.\/[^"]+)"\)/g, (_, name, path) => {
    names.add(name);
    return `${name}$,${name}=()=>${name}$??=require("${path}")`;
  });
  return late.replace(/\b(import_\w+)\./g, (whole, name) => (names.has(name) ? `(${name}()).` : whole));
}

/** All of it: what is compiled only when it is called would not be in what V8 hands out. */
function compiled(text, filename) {
  setFlagsFromString("--no-lazy");
  const script = new Script(text, { filename }); // which traces and profiles name
  setFlagsFromString("--lazy"); // V8 refuses code that was made under other flags than it runs with
  return script.createCachedData();
}
