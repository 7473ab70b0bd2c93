/** What makes an instance of what was named, once it is known whether the definition that comes with it is trusted. */
import type { CreateInstanceOptions } from "../../core/instances/create.ts";
import type { TrustedDefinition } from "../../core/instances/trusted-definition.ts";
import type { Instance } from "../../core/model/state.ts";
import type { PlanView } from "../../core/operations/steps.ts";
import type { World } from "../../core/ports.ts";
import type { Factory } from "../../factory.ts";
import type { Creation } from "./creation.ts";

interface HowToMake {
  readonly passphraseFile: string | null;
  readonly trustDefinition: boolean;
}

type Make = (name: string) => Promise<Instance | PlanView>;
type Wanted = Creation["wanted"];

/** Null: the definition was shown, and the answer was no. */
export async function maker(
  factory: Factory,
  world: World,
  source: Creation["source"],
  wanted: Wanted,
  how: HowToMake,
): Promise<Make | null> {
  return source.kind === "backup"
    ? makerFromBackup(factory, world, source.target, wanted, how)
    : makerFrom(world, { kind: source.kind, target: source.target }, wanted, how);
}

async function makerFrom(
  world: World,
  source: CreateInstanceOptions["source"],
  wanted: Wanted,
  { trustDefinition }: HowToMake,
): Promise<Make | null> {
  const { createInstance } = await import("../../core/instances/create.ts");
  let trust: TrustedDefinition | null = null;
  if (trustDefinition) {
    trust = await (await import("../../core/instances/trusted-definition.ts")).trustSource(world, source);
    if (trust === null) return null;
  }
  return (name) => createInstance(world, { ...wanted, source, name, trustDefinition: trust });
}

async function makerFromBackup(
  factory: Factory,
  world: World,
  backup: string,
  wanted: Wanted,
  { passphraseFile, trustDefinition }: HowToMake,
): Promise<Make | null> {
  const [{ openedWith, placesOf }, { restoreInstance }] = await Promise.all([
    import("../backup/place.ts"),
    import("../../core/backups/restore-to.ts"),
  ]);
  const targets = await placesOf(factory, world, null);
  const from = { targets, backup, disks: [], passphraseFile: openedWith(passphraseFile) };
  let trust: TrustedDefinition | null = null;
  if (trustDefinition) {
    trust = await (await import("../../core/backups/trust.ts")).trustBackup(world, from);
    if (trust === null) return null;
  }
  return (name) => restoreInstance(world, from, { ...wanted, name, trustDefinition: trust });
}
