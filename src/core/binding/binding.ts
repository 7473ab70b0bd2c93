/** Whose store it is: the machine and the libvirt that it is bound to (DESIGN.md, invariant 11). */
import { EstratoError } from "../../errors.ts";
import type { Binding } from "../model/state.ts";
import { libvirtAt } from "./uri.ts";

/** Is it the machine and the libvirt that `binding` names? What the machine is called counts for nothing. */
export function isSame(binding: Binding, here: Binding): boolean {
  return binding.machine === here.machine && binding.uri === here.uri && binding.user === here.user;
}

/** Throws "host" where the store in `home` is another's, saying whose it is and who asked. */
export function requireSame(home: string, binding: Binding | null, here: Binding): void {
  if (binding === null || isSame(binding, here)) return;
  const isHere = binding.machine === here.machine;
  const [there, now] = isHere ? ["here", "here"] : [ofMachine(binding), ofMachine(here)];
  throw new EstratoError(
    "host",
    `${home}: this store is bound to ${ofLibvirt(binding)} ${there}, and was asked for with ${ofLibvirt(here)} ${now}`,
    {
      hint: `${wayOut(binding, here)}; ${isHere ? "where that libvirt is not used with it any more" : "where that machine is off for good"}: estrato doctor --take-over.`,
    },
  );
}

function wayOut(binding: Binding, here: Binding): string {
  if (isNamed(here.machine) && !isNamed(binding.machine) && here.machineName === binding.machineName)
    return "Give this machine its id again: see machine-id(5)";
  if (binding.machine !== here.machine) return "Use it there, or another store here (--store)";
  if (binding.user !== null && binding.uri !== here.uri)
    return `Run it as user ${binding.user}, with --connect ${binding.uri}`;
  if (binding.user !== null) return `Run it as user ${binding.user}`;
  return `Name its libvirt (--connect ${binding.uri}), or another store (--store)`;
}

/** "on alpha (machine 3d1219c7)": the id is shown as far as people compare it. */
export function ofMachine({ machine, machineName }: Binding): string {
  return isNamed(machine)
    ? `on ${machineName} (which has no machine-id)`
    : `on ${machineName} (machine ${machine.slice(0, 8)})`;
}

/** The URI, and whose session it is. */
export function ofLibvirt({ uri, user }: Binding): string {
  return user === null ? uri : `${uri} of user ${user}`;
}

const NAMED = "name:";
const isNamed = (machine: string): boolean => machine.startsWith(NAMED);

/** What the store in `home` is bound to that is used on this machine, through this URI, by this user. */
export function bindingAt(
  machine: { id: string | null; name: string },
  uri: string,
  uid: number,
  home: string,
): Binding {
  return {
    machine: machineKey(machine.id, machine.name),
    machineName: machine.name,
    home,
    ...libvirtAt(uri, { uid, machineName: machine.name }),
  };
}

/**
 * What tells a machine from all others: `id`, which machine-id(5) is made for; where it has none (a container, mostly)
 * its name. That a container which is made anew has another name then, and must take its store over, is the lesser
 * evil: two that share a folder would be taken for one, and the one would end what the other is at.
 */
function machineKey(id: string | null, name: string): string {
  return id ?? `${NAMED}${name}`;
}
