import type { Pruned } from "../../core/backups/prune.ts";
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { text as column, nested, status, time, words } from "../../ui/output/columns.ts";
import { oneOf } from "../../ui/output/shape.ts";
import { commandText, planSteps, STEPS_SHAPE } from "../../ui/plan.ts";
import { optional } from "../framework/arguments.ts";
import { text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { codeOfAll } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { isTargetNamed, openedWith, passphraseFile, placesOf, target } from "./place.ts";
import { policyOf, policyOptions, zone } from "./policy.ts";

const prunedColumns = [
  column<Pruned>("id", (one) => one.id),
  column<Pruned>("instance", (one) => one.instance),
  column<Pruned>("type", (one) => one.type),
  time<Pruned>("created_at", (one) => one.created_at),
  status<Pruned>("action", (one) => one.action, { shape: oneOf("keep", "remove") }),
  words<Pruned>("why", (one) => one.why),
  // What a dry run of any other verb prints: here the reasons are the answer.
  nested("steps", ({ plan }: Pruned) => (plan === null ? [] : planSteps(plan, { files: false })), STEPS_SHAPE, {
    listed: false,
    forPeople: (steps) => String(steps.length),
  }),
];

export default verb({
  description:
    "Removes the backups that a policy does not keep, those of each instance and type by themselves, and prints for each why it is kept or goes. " +
    "--dry-run removes nothing; its JSON has the commands of what would go as `steps`, and -v shows them.\n\n" +
    "Days, weeks and months are those of --zone, else of this machine's. Empty ones are not counted; what is dated in the future is never removed; " +
    "protected backups are neither removed nor counted. One that an instance still reads from is kept this time, and so is an encrypted one that " +
    "another builds on, where no --passphrase-file is given. What cannot be removed keeps the others from nothing.",
  arguments: { instance: optional("INSTANCE", "only those of this instance", { complete: "instance" }) },
  options: { ...policyOptions, zone, type: text("TYPE", "only those of this type"), target, passphraseFile },
  result: result.list(prunedColumns),
  changes: true,
  withoutStore: isTargetNamed,
  examples: [
    { line: "estrato backup prune web1 --keep-daily 7 --keep-weekly 4 --dry-run", says: "what would go, and why" },
    { line: "estrato backup prune --type daily --rotation 7", says: "of all instances" },
  ],
  exits: {
    2: "neither --rotation nor --keep-*, or both; an unknown zone",
    3: "something could not be pruned; what was is printed",
    6: "a target is not there, and nothing is removed",
  },
  async run(context) {
    const { args, options, factory, world } = context;
    const policy = policyOf(options, "backup prune");
    const core = await world();
    const { pruneBackups } = await import("../../core/backups/prune.ts");
    const filter = { instance: args.instance, type: options.type };
    const failures: Error[] = [];
    const pruned = await pruneBackups(
      core,
      await placesOf(factory, core, options.target),
      { policy, zone: options.zone ?? (await core.host.timeZone()) },
      filter,
      openedWith(options.passphraseFile),
      (error) => failures.push(error),
    );
    context.failure ??= failureOf(factory, failures, pruned.length > 0);
    // In the order in which they would be run: the oldest goes first.
    for (const { plan } of pruned.toReversed())
      for (const command of plan?.steps.flatMap(({ commands }) => commands) ?? [])
        core.report.detail?.(commandText(command));
    return pruned;
  },
});

/** What some of it is that could not be pruned, beside what was; alone it is thrown. Null where all could. */
function failureOf(factory: Factory, failures: readonly Error[], isAnyPruned: boolean): EstratoError | null {
  const [only, second] = failures;
  if (only === undefined) return null;
  if (second === undefined && !isAnyPruned) throw only;
  const told = failures.map((error) => factory.reportError(error));
  const code = codeOfAll(told, isAnyPruned);
  return new EstratoError(code, "backup prune: not all could be removed that is to go", { cause: told[0] });
}
