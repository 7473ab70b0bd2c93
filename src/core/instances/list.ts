/** `instance list`: every domain of libvirt and every record, in as few processes as can be. */
import { compareNames, compareTexts } from "../../order.ts";
import type { DomainOutline, DomainSummary } from "../model/host.ts";
import type { World } from "../ports.ts";
import { leasedAddresses, networksToAsk, readNetworks, reservedAddresses } from "./addresses.ts";
import { type InstanceView, instanceView } from "./view.ts";

export interface ListOptions {
  /** Without it, `macs` may be missing: asking libvirt for a hundred of them takes a process more. */
  readonly macs: boolean;
  /** Without it, none are named. */
  readonly volumes: boolean;
}

/**
 * All instances by name: those that estrato made or adopted, those it has never touched, and those whose domain libvirt
 * has lost (status `error`; `build` while it is being created). Addresses as reserved, else, of those that run, as
 * leased; no agent is asked. Changes nothing.
 */
export async function listInstances(world: World, { macs, volumes }: ListOptions): Promise<InstanceView[]> {
  const state = await world.store.read();
  const hasAddress = (uuid: string) => (state.instances[uuid]?.addresses.length ?? 0) > 0;
  const isOff = ({ state: word }: DomainSummary) => word === "shutoff" || word === "crashed";
  const outlines = await world.host.domainOutlines((domain) => macs || !(isOff(domain) || hasAddress(domain.uuid)));
  const recordOf = (outline: DomainOutline) => state.instances[outline.uuid] ?? null;
  const networks = await readNetworks(
    world,
    outlines.flatMap((outline) => (isOff(outline) ? [] : networksToAsk(recordOf(outline), outline.interfaces))),
  );
  const views = outlines.map((outline) => {
    const record = recordOf(outline);
    const reserved = reservedAddresses(record, outline.interfaces, networks);
    const addresses = reserved.length > 0 ? reserved : leasedAddresses(outline.interfaces, networks);
    return instanceView(state, { ...outline, macs: outline.interfaces.map((nic) => nic.mac) }, record, addresses, {
      volumes,
    });
  });
  const known = new Set(outlines.map((outline) => outline.uuid));
  const lost = Object.values(state.instances).filter((record) => !known.has(record.id));
  const pending = lost.length === 0 ? [] : await world.store.journal.list();
  for (const record of lost) {
    const addresses = record.addresses.map((address) => address.ip);
    const view = instanceView(state, null, record, addresses, { volumes });
    const isMade = pending.some((entry) => entry.kind === "instance.create" && entry.locks.includes(record.id));
    views.push(isMade ? { ...view, status: "build" } : view);
  }
  return views.sort((a, b) => compareNames(a.name, b.name) || compareTexts(a.id, b.id));
}
