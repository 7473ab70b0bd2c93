/** Snapshots that libvirt itself holds (virsh snapshot-create): shown as `libvirt:NAME`, and never touched. */
import { EstratoError } from "../../errors.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { longName, notFound } from "../names.ts";
import type { World } from "../ports.ts";

const PREFIX = "libvirt:";

/** As people type it: `libvirt:NAME`, or `INSTANCE/libvirt:NAME`. */
export interface ForeignName {
  readonly instance: string | null;
  readonly name: string;
}

/** The id under which one is shown. */
export function foreignId(name: string): string {
  return `${PREFIX}${name}`;
}

/** Null where the target is no name of one, or one of ours is called so. */
export function foreignName(state: State, target: string): ForeignName | null {
  const [, instance, id] = /^(?:([^/]+)\/)?(libvirt:.+)$/s.exec(target) ?? [];
  if (id === undefined || Object.values(state.snapshots).some(({ name }) => name === id)) return null;
  return { instance: instance ?? null, name: id.slice(PREFIX.length) };
}

/** What no verb but `show` does with one. */
export function heldByLibvirt({ instance, name }: ForeignName, act: "delete" | "revert" | null): EstratoError {
  const command = (verb: "delete" | "revert") => `virsh snapshot-${verb} ${instance ?? "INSTANCE"} ${name}`;
  const hint =
    act === null
      ? `With virsh alone: ${command("revert")}, or ${command("delete")}.`
      : `${act === "delete" ? "Delete it" : "Revert to it"} with virsh: ${command(act)}.`;
  return new EstratoError("conflict", `snapshot ${foreignId(name)}: libvirt holds it, and estrato does not touch it`, {
    hint,
  });
}

/** The guest that has it. Throws "not_found" where none does, or several (listed). */
export async function findForeign(world: World, { instance, name }: ForeignName): Promise<DomainStatus> {
  const having = [...(await world.host.domainStatuses()).values()].filter(
    (status) => status.snapshots.includes(name) && (instance === null || [status.name, status.uuid].includes(instance)),
  );
  const [first, ...others] = having;
  const target = foreignId(name);
  if (first === undefined) throw notFound("snapshot", instance === null ? target : longName(instance, target));
  if (others.length === 0) return first;
  const candidates = having.map((status) => longName(status.name, target)).sort();
  throw new EstratoError("not_found", `snapshot ${target}: ambiguous: ${candidates.join(", ")}`, {
    hint: "Name one of these.",
  });
}
