import { between, type Load, look, requireRunning } from "../../core/instances/top.ts";
import { number, size, text } from "../../ui/output/columns.ts";
import { FRACTION, oneOf } from "../../ui/output/shape.ts";
import { rest } from "../framework/arguments.ts";
import { redrawn } from "../framework/live.ts";
import { count, duration } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";

const columns = [
  text<Load>("id", (one) => one.id),
  text<Load>("name", (one) => one.name),
  number<Load>("cpu_percent", (one) => one.cpu_percent, { header: "CPU %", rank: 1, shape: FRACTION }),
  number<Load>("vcpus", (one) => one.vcpus),
  size<Load>("memory_bytes", (one) => one.memory_bytes, { rank: 1 }),
  text<Load>("memory_source", (one) => one.memory_source, {
    header: "Says",
    rank: 2,
    shape: oneOf("balloon", "allocation"),
  }),
  size<Load>("ram_bytes", (one) => one.ram_bytes, { listed: false }),
  size<Load>("disk_read_bytes_per_second", (one) => one.disk_read_bytes_per_second, { header: "Read/s", rank: 2 }),
  size<Load>("disk_write_bytes_per_second", (one) => one.disk_write_bytes_per_second, { header: "Write/s", rank: 2 }),
  size<Load>("net_receive_bytes_per_second", (one) => one.net_receive_bytes_per_second, { header: "Rx/s", rank: 2 }),
  size<Load>("net_send_bytes_per_second", (one) => one.net_send_bytes_per_second, { header: "Tx/s", rank: 2 }),
];

export default verb({
  description:
    "Shows what the running instances use, the busiest first, and again every two seconds until Ctrl-C; in a pipe or with --format once. " +
    "CPU is of one processor: an instance whose two are busy has 200.\n\n" +
    "Memory is what the guest uses where its balloon driver says so (`memory_source` balloon), else what it was given (allocation). Disk and " +
    "network are bytes in a second.",
  arguments: { instances: rest("INSTANCE", "only these", { complete: "instance" }) },
  options: {
    interval: duration("how long is measured each time", { default: 2000 }),
    count: count("end after so many times"),
  },
  result: result.list(columns, { empty: "No instance runs. To start one: estrato instance start INSTANCE." }),
  changes: false,
  examples: [
    { line: "estrato instance top", says: "watch all of them" },
    { line: "estrato instance top web1 -f json", says: "one sample of one, for a script" },
  ],
  exits: { 4: "there is no such instance", 5: "it is off" },
  async run({ args, options, world, factory, isWatched, render }) {
    const core = await world();
    await requireRunning(core, args.instances);
    let last = await look(core);
    if (last.loads.length === 0) return [];
    const measured = async (): Promise<Load[]> => {
      await core.clock.sleep(options.interval, core.signal);
      const before = last;
      last = await look(core);
      return between(before, last, args.instances);
    };
    if (!isWatched) return measured();
    factory.status.show("Measuring", null);
    return redrawn(factory, options.count, async () => render(await measured()));
  },
});
