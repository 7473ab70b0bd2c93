// Small faults that could be in a file: each is a stretch of its text and what would stand there instead.
import { parseAst } from "vitest/node";

const OTHER = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "&&": "||",
  "||": "&&",
};
const PASSED_OVER = ["filter", "sort", "reverse", "slice", "toReversed", "toSorted"];

/** All of a file, in the order of its text: { start, end, becomes, what }. */
export function mutantsOf(text) {
  const found = [];
  visit(parseAst(text, { lang: "ts" }), (node) => {
    for (const one of ofNode(node, text)) found.push(one);
  });
  return found.sort((a, b) => a.start - b.start);
}

export function mutated(text, { start, end, becomes }) {
  return text.slice(0, start) + becomes + text.slice(end);
}

function visit(node, look) {
  // Types change nothing that runs.
  if (node === null || typeof node !== "object" || /^TS(?!AsExpression|NonNull|Satisfies)/.test(node.type ?? ""))
    return;
  if (node.type === "ImportDeclaration") return;
  if (typeof node.type === "string") look(node);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const each of value) visit(each, look);
    else visit(value, look);
  }
}

function ofNode(node, text) {
  const { start, end } = node;
  const source = (part) => text.slice(part.start, part.end);
  switch (node.type) {
    case "ExpressionStatement":
      if (node.directive) return [];
      return [
        { start, end, becomes: ";", what: "statement dropped" },
        ...(node.expression.type === "AwaitExpression"
          ? [{ start, end, becomes: `void ${source(node.expression.argument)};`, what: "not awaited" }]
          : []),
      ];
    case "ThrowStatement":
      return [{ start, end, becomes: ";", what: "throw dropped" }];
    case "IfStatement":
    case "ConditionalExpression":
    case "WhileStatement":
      return [{ ...range(node.test), becomes: `!(${source(node.test)})`, what: "condition negated" }];
    case "BinaryExpression":
    case "LogicalExpression":
      return OTHER[node.operator] === undefined ? [] : [operator(node, text)];
    case "Literal":
      if (typeof node.value === "boolean") return [{ start, end, becomes: `${!node.value}`, what: "turned" }];
      return typeof node.value === "number"
        ? [{ start, end, becomes: `(${source(node)} + 1)`, what: "off by one" }]
        : [];
    case "CallExpression":
      return PASSED_OVER.includes(node.callee.property?.name)
        ? [{ start, end, becomes: source(node.callee.object), what: `${node.callee.property.name} dropped` }]
        : [];
    case "BlockStatement":
      return node.body.length < 2 || node.body[0].type === "ReturnStatement"
        ? []
        : [{ start: node.body[0].end, end: node.body[0].end, becomes: " return;", what: "returns early" }];
    default:
      return [];
  }
}

const range = ({ start, end }) => ({ start, end });

function operator({ left, right, operator }, text) {
  const start = text.indexOf(operator, left.end);
  if (start < 0 || start > right.start) throw new Error(`no ${operator} after ${left.end}`);
  return {
    start,
    end: start + operator.length,
    becomes: OTHER[operator],
    what: `${operator} became ${OTHER[operator]}`,
  };
}
