/** YAML, loaded only where it is asked for. A static import, since the bundled package is CommonJS. */
import { Document, visit } from "yaml";
import { jsonText, printableLines } from "../text.ts";
import type { Json } from "./json.ts";

/**
 * Words of YAML 1.1 (yaml.org/type), as Ansible and the OpenStack clients read it, that are no text there. All else
 * that is none in it or in 1.2, as numbers, dates, 1:30, = and <<, begins with no letter.
 */
const NO_TEXT = /^(?:y|n|yes|no|on|off|true|false|null)$/i;
const BEGINS_AS_TEXT = /^[\p{L}/]/u;

/** Ends with a newline. Long values stay on one line. What would not be harmless is written as JSON, which is YAML. */
export function yamlText(value: Json): string {
  const document = new Document(value);
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === "string" && !isText(node.value)) node.type = "QUOTE_DOUBLE";
    },
  });
  const text = document.toString({ lineWidth: 0 });
  return printableLines(text) === text ? text : `${jsonText(value, 2)}\n`;
}

/** Of several lines a block is made, which is always text. */
function isText(value: string): boolean {
  return value.includes("\n") || (BEGINS_AS_TEXT.test(value) && !NO_TEXT.test(value));
}
