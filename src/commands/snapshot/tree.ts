import { lookUpInstance } from "../../core/instances/find.ts";
import { type SnapshotTree, snapshotTree, type TreeNode } from "../../core/snapshots/list.ts";
import type { Painter } from "../../ui/colour.ts";
import { nested, text } from "../../ui/output/columns.ts";
import { printable } from "../../ui/text.ts";
import { one } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";

interface PlainNode {
  readonly [key: string]: string | readonly PlainNode[];
}

const plainNode = (node: TreeNode): PlainNode => ({
  id: node.id,
  name: node.name,
  children: node.children.map(plainNode),
});

const columns = [
  text<SnapshotTree>("instance", (tree) => tree.instance),
  text<SnapshotTree>("current", (tree) => tree.current),
  nested<SnapshotTree>("roots", (tree) => tree.roots.map(plainNode)),
];

export default verb({
  description: "Draws which snapshot of an instance came from which. A star marks the one that its disks stand on.",
  arguments: { instance: one("INSTANCE", "the instance", { complete: "instance", ask: "Which instance?" }) },
  result: result.one(columns, { draw: ([tree], painter) => (tree === undefined ? "" : drawTree(tree, painter)) }),
  changes: false,
  examples: [{ line: "estrato snapshot tree web1", says: "the tree of web1" }],
  exits: { 4: "there is no such instance" },
  async run({ args, world }) {
    const core = await world();
    const { status, record, state } = await lookUpInstance(core, args.instance);
    if (record === null) return { instance: status?.name ?? args.instance, current: null, roots: [] };
    return snapshotTree(state, record.id);
  },
});

function drawTree(tree: SnapshotTree, painter: Painter): string {
  const lines = [painter("bold", printable(tree.instance))];
  const draw = (node: TreeNode, indent: string, last: boolean) => {
    const here = node.id === tree.current ? painter("green", " *") : "";
    lines.push(`${indent}${last ? "└── " : "├── "}${printable(node.name)}${here}`);
    node.children.forEach((child, index) => {
      draw(child, `${indent}${last ? "    " : "│   "}`, index === node.children.length - 1);
    });
  };
  tree.roots.forEach((root, index) => {
    draw(root, "", index === tree.roots.length - 1);
  });
  return `${lines.join("\n")}\n`;
}
