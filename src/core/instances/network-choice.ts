/** Which networks a new instance is put on: those that were asked for, else what goes without saying. */
import { EstratoError } from "../../errors.ts";
import { USER_NETWORK } from "../forwards/free-ports.ts";
import type { Forward } from "../model/host.ts";
import type { World } from "../ports.ts";
import type { InstanceIdentity } from "./identity.ts";
import { type NetworkWish, NO_NETWORK } from "./network-wish.ts";

/** Of what a person says about a new instance. */
export interface AddressWish {
  readonly name: string;
  readonly network: NetworkWish | null;
  /** Besides that one. */
  readonly further?: readonly NetworkWish[];
  readonly ip: string | null;
  readonly forwards?: readonly Forward[];
  readonly start: boolean;
  readonly as?: InstanceIdentity;
}

/** The network that a definition names. */
interface Inherited {
  readonly network: string | null;
}

/** Where nobody has set another. */
const USUAL_NETWORK = "default";

/** The networks that it will be on. Throws "usage" for what its definition, or another network, does not go with. */
export function networksFor(
  { usualNetwork }: Pick<World, "usualNetwork">,
  options: AddressWish,
  inherited: Inherited | null,
): NetworkWish[] {
  const { as } = options;
  if (as !== undefined) return [...networksOf(as), ...(hasUser(as) ? [USER_NETWORK] : [])].map((name) => ({ name }));
  const first = chooseNetwork(options, inherited, usualNetwork ?? USUAL_NETWORK);
  const wishes = [...(first === null ? [] : [first]), ...(options.further ?? [])];
  const users = wishes.filter(isUser);
  if (users.length > 1) throw contradiction("--network user", "an instance has one of that kind", "Say it once.");
  if (users.length === 0 && (options.forwards ?? []).length > 0)
    throw contradiction("--forward", "ports lead to an instance on the network user", "Add --network user.");
  if (options.further?.some(isNone) || (first === null && wishes.length > 0))
    throw contradiction("--network none", "with other networks", "Leave one of them out.");
  return wishes;
}

export function hasUser({ interfaces }: InstanceIdentity): boolean {
  return interfaces.some(({ user }) => user === true);
}

export function contradiction(what: string, why: string, hint: string): EstratoError {
  return new EstratoError("usage", `${what}: ${why}`, { hint });
}

export function isUser({ name, bridge }: NetworkWish): boolean {
  return bridge !== true && name === USER_NETWORK;
}

function isNone({ name, bridge }: NetworkWish): boolean {
  return bridge !== true && name === NO_NETWORK;
}

/** Libvirt's, that an instance was on. */
export function networksOf({ interfaces, addresses }: InstanceIdentity): string[] {
  const names = [...interfaces, ...addresses].flatMap(({ network }) => (network === null ? [] : [network]));
  return [...new Set(names)];
}

/** The one that was asked for, else that of the source's definition, else the usual one; null: none. */
function chooseNetwork(options: AddressWish, inherited: Inherited | null, usual: string): NetworkWish | null {
  const own = inherited === null ? usual : (inherited.network ?? NO_NETWORK);
  const wish = options.network ?? { name: own };
  if (!isNone(wish)) {
    if (options.ip !== null && isUser(wish))
      throw contradiction(
        `address ${options.ip}`,
        "on the network user a guest's address is its own affair",
        "Leave --ip out.",
      );
    return wish;
  }
  if (options.ip === null) return null;
  throw new EstratoError("usage", `address ${options.ip}: without a network there is none`, {
    hint: "Leave out --ip, or choose a network.",
  });
}
