// A screen of a terminal as SVG: no font and no script in it, each run of characters placed by its column.
const CELL = 8.4;
const LINE = 19;
const FONT_SIZE = 14;
const MARGIN = 16;
const BAR = 30;

const COLOURS = ["#1d1f28", "#ff6b68", "#7bc275", "#e2b65b", "#6ca8ff", "#c792ea", "#5cc8c8", "#d8dee9"];
const BRIGHT = ["#6b7280", "#ff8a87", "#98d893", "#f0cb7d", "#8fbfff", "#d9b0f4", "#83dcdc", "#ffffff"];

const PLAIN = { colour: COLOURS[7], bold: false, dim: false };

/**
 * `lines` are those of `tmux capture-pane -e`: text with the marks of SGR (ECMA-48, 8.3.117). What stands behind
 * `prompt` is what was typed.
 * @param {readonly string[]} lines
 * @param {{ columns: number, prompt: string }} shape
 * @returns {string}
 */
export function svgOf(lines, { columns, prompt }) {
  const width = Math.round(columns * CELL + 2 * MARGIN);
  const height = BAR + lines.length * LINE + MARGIN;
  let last = PLAIN; // a look goes on in the next line, until a mark ends it
  const rows = lines.map((line, index) => {
    const y = BAR + (index + 1) * LINE - 4;
    const typed = line.replaceAll(MARKS, "").startsWith(prompt);
    const { runs, look } = runsOf(line, last);
    last = look;
    return runs
      .map(({ text, column, colour, bold, dim }) => {
        if (text.trim() === "") return "";
        const weight = bold || typed ? ' font-weight="bold"' : "";
        const faint = dim ? ' opacity="0.65"' : "";
        const x = (MARGIN + column * CELL).toFixed(1);
        const length = ([...text].length * CELL).toFixed(1);
        return `<text x="${x}" y="${y}" textLength="${length}" fill="${colour}"${weight}${faint}>${escaped(text)}</text>`;
      })
      .join("");
  });
  const dots = ["#ff6b68", "#e2b65b", "#7bc275"].map(
    (fill, index) => `<circle cx="${18 + index * 18}" cy="16" r="5" fill="${fill}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img"`,
    ` font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${FONT_SIZE}">\n`,
    `<title>estrato at work on a terminal</title>\n<rect width="${width}" height="${height}" rx="8" fill="${COLOURS[0]}"/>\n`,
    `${dots.join("")}\n<g xml:space="preserve">\n${rows.filter((row) => row !== "").join("\n")}\n</g>\n</svg>\n`,
  ].join("");
}

const ESCAPE = String.fromCharCode(27);
const MARKS = new RegExp(`(${ESCAPE}\\[[\\d;]*m)`, "g");

/** Runs of one look, each with the column that it begins at, and the look at the end. `begun`: that at the start. */
function runsOf(line, begun) {
  const runs = [];
  let look = begun;
  let column = 0;
  for (const part of line.split(MARKS)) {
    if (part.startsWith(ESCAPE)) {
      look = marked(look, (part.slice(2, -1) || "0").split(";").map(Number));
    } else {
      runs.push({ text: part.trimEnd(), column, ...look });
      column += [...part].length;
    }
  }
  return { runs, look };
}

function marked(look, codes) {
  let next = { ...look };
  for (const code of codes) {
    if (code === 0) next = { ...PLAIN };
    if (code === 1) next.bold = true;
    if (code === 2) next.dim = true;
    if (code === 22) next.bold = next.dim = false;
    if (code === 30) next.colour = BRIGHT[0]; // black on black
    if (code === 39) next.colour = PLAIN.colour;
    if (code >= 31 && code <= 37) next.colour = COLOURS[code - 30];
    if (code >= 90 && code <= 97) next.colour = BRIGHT[code - 90];
  }
  return next;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
