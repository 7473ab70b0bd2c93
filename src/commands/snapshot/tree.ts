import { lookUpInstance } from "../../core/instances/find.ts";
import { type SnapshotTree, snapshotTree, TREE_KEYS, type TreeNode } from "../../core/snapshots/list.ts";
import { nested, text } from "../../ui/output/columns.ts";
import type { Json, JsonObject } from "../../ui/output/json.ts";
import { listOf, objectSchema, type Shape } from "../../ui/output/shape.ts";
import { printable } from "../../ui/text.ts";
import { humanAge, humanSize, humanTime } from "../../units.ts";
import { one } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { snapshotColumns } from "./columns.ts";

const plainNode = (node: TreeNode): Json => ({
  ...Object.fromEntries(TREE_KEYS.map((key) => [key, node[key]])),
  children: node.children.map(plainNode),
});

const schemaOf = (wanted: string): JsonObject => snapshotColumns.find(({ key }) => key === wanted)?.shape.schema ?? {};

/** A snapshot in which there are others of its kind: they are what stands at this place of the document. */
const NODE: Shape<Json> = {
  schema: objectSchema([
    ...TREE_KEYS.map((key) => [key, schemaOf(key)] as const),
    ["children", { type: "array", items: { $ref: "#/$defs/tree/properties/roots/items" } }],
  ]),
};

const columns = [
  text<SnapshotTree>("instance", (tree) => tree.instance),
  text<SnapshotTree>("current", (tree) => tree.current, { orNull: true }),
  nested("roots", (tree: SnapshotTree) => tree.roots.map(plainNode), listOf(NODE)),
];

export default verb({
  description:
    "Draws which snapshot of an instance came from which: what was reached when it was taken (see consistency in estrato-concepts(7)), how " +
    "old it is, and what deleting it would free. A star marks the one that its disks stand on, an M those that hold memory, an A those that a " +
    "revert kept by itself, a P those that are protected.",
  arguments: { instance: one("INSTANCE", "the instance", { complete: "instance", ask: "Which instance?" }) },
  result: result.one(columns, { draw: ([tree], on) => (tree === undefined ? "" : drawTree(tree, on)) }),
  changes: false,
  examples: [{ line: "estrato snapshot tree web1", says: "the tree of web1" }],
  exits: { 4: "there is no such instance" },
  async run({ args, world, wants }) {
    const core = await world();
    const { status, record, state } = await lookUpInstance(core, args.instance);
    if (record === null) return { instance: status?.name ?? args.instance, current: null, roots: [] };
    return snapshotTree(core, state, record.id, wants("roots"));
  },
});

async function drawTree(tree: SnapshotTree, { painter, nowMs, columns: width }: result.Drawing): Promise<string> {
  const rows: string[][] = [];
  const nodes: TreeNode[] = [];
  const add = (node: TreeNode, indent: string, last: boolean): void => {
    nodes.push(node);
    rows.push([
      `${indent}${last ? "└── " : "├── "}${printable(node.name)}`,
      marksOf(node, tree.current),
      node.consistency ?? "",
      node.created_at === null
        ? ""
        : nowMs === undefined
          ? humanTime(node.created_at)
          : humanAge(node.created_at, nowMs),
      node.exclusive_bytes === null ? "" : `frees ${humanSize(node.exclusive_bytes)}`,
    ]);
    addAll(node.children, `${indent}${last ? "    " : "│   "}`);
  };
  const addAll = (siblings: readonly TreeNode[], indent: string): void => {
    for (const [index, node] of siblings.entries()) add(node, indent, index === siblings.length - 1);
  };
  addAll(tree.roots, "");
  const { drawTable } = await import("../../ui/output/table.ts");
  const table = {
    headers: null,
    aligns: ["left", "left", "left", "left", "left"] as const,
    rows,
    // What it would free, and its age, before its kind.
    ...(width === null ? {} : { room: { width, ranks: [0, 0, 3, 2, 1] } }),
    paint: (y: number, x: number, cell: string) =>
      nodes[y]?.id === tree.current && x <= 1 ? painter("green", cell) : x > 1 ? painter("dim", cell) : cell,
  };
  return `${painter("bold", printable(tree.instance))}\n${await drawTable(table, painter)}`;
}

function marksOf(node: TreeNode, current: string | null): string {
  const marks = [
    [node.id === current, "*"],
    [node.memory, "M"],
    [node.automatic, "A"],
    [node.protected, "P"],
  ] as const;
  return marks.flatMap(([holds, mark]) => (holds ? mark : [])).join("");
}
