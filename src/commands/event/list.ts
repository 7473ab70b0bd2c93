import type { OperationEvent } from "../../core/model/journal.ts";
import { text, time } from "../../ui/output/columns.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";

const columns = [
  time<OperationEvent>("time", (event) => event.time, { rank: 2 }),
  text<OperationEvent>("operation", (event) => event.operation, { rank: 0 }),
  text<OperationEvent>("target", (event) => event.target, { rank: 1 }),
  text<OperationEvent>("result", (event) => event.result, { rank: 1 }),
  text<OperationEvent>("user", (event) => event.user),
  text<OperationEvent>("command", (event) => event.command),
];

export default verb({
  description:
    "Lists what was done on this host, the latest first. It is a log for people: some 10 MB back the oldest are dropped. `result` is " +
    "done, or the code of the error.",
  result: result.list(columns, {
    empty: "Nothing was done here yet.",
  }),
  changes: false,
  examples: [
    { line: "estrato event list --limit 20", says: "the last twenty" },
    { line: "estrato event list --filter operation=snapshot.create -f json", says: "all snapshots that were made" },
  ],
  async run({ store }) {
    return (await (await store()).events.list()).reverse();
  },
});
