import { readFileSync } from "node:fs";
import { DOMParser } from "@xmldom/xmldom";
import { expect, test } from "vitest";
import { svgOf } from "../picture/svg.mjs";

/** The words of a picture, in their order. */
function textsOf(svg: string): string[] {
  const document = new DOMParser().parseFromString(svg, "image/svg+xml");
  return Array.from(document.getElementsByTagName("text"), ({ textContent }) => textContent ?? "");
}

test("a screen becomes a picture: each run of characters at its column, in its colour, and nothing of it is markup", () => {
  const svg = svgOf(["$ cat <a>", "\u001b[1;32mactive\u001b[0m  web1 & web2"], { columns: 40, prompt: "$ " });
  expect(textsOf(svg)).toEqual(["$ cat <a>", "active", "  web1 & web2"]);
  expect(svg).toContain('<text x="16.0" y="64" textLength="50.4" fill="#7bc275" font-weight="bold">active</text>');
  expect(svg).toContain('x="66.4"'); // six cells on
  const dim = svgOf(["\u001b[2mkey", "next\u001b[0m"], { columns: 40, prompt: "$ " });
  expect(dim.match(/opacity/g)).toHaveLength(2); // tmux ends a look where it ends, lines later
});

test("the README begins with a picture of a session on a guest", () => {
  const [, file = ""] = /^!\[[^\]]+\]\((\S+\.svg)\)$/m.exec(readFileSync("README.md", "utf8")) ?? [];
  const texts = textsOf(readFileSync(file, "utf8"));
  expect(texts.filter((text) => text.startsWith("$ estrato ")).length).toBeGreaterThan(4);
  expect(texts.join("\n")).not.toMatch(/estrato: .*(failed|not found|fault)/);
});
