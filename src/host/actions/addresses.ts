/** DHCP reservations: on the books of the running network and of the next one alike. */
import { EstratoError } from "../../errors.ts";
import { keyOf, readNetwork } from "../networks.ts";
import { hostXml, updateNetwork } from "./commands.ts";
import { type ActionContext, type ActionOf, holdingLocks } from "./context.ts";

/** "not_found" without such a network; "conflict" where the address or the MAC is on the books with another. */
export async function performReserve(context: ActionContext, action: ActionOf<"reserve-address">): Promise<void> {
  const network = await readNetwork(context.virsh, action.network);
  if (network === null) throw new EstratoError("not_found", `${action.network}: no such network`);
  const wanted = keyOf(action);
  for (const each of [...network.live, ...network.config]) {
    const sameMac = each.mac === action.mac.toLowerCase();
    if (keyOf(each) !== wanted && (sameMac || each.ip === action.ip)) {
      throw new EstratoError("conflict", `${action.ip}: the network ${action.network} has it reserved for ${each.mac}`);
    }
  }
  const lacks = (books: readonly { mac: string; ip: string }[]) => !books.some((each) => keyOf(each) === wanted);
  const where = [
    ...(network.active && lacks(network.live) ? ["--live"] : []),
    ...(network.persistent && lacks(network.config) ? ["--config"] : []),
  ];
  await update(context, action.network, "add-last", hostXml(action), where);
}

/** Nothing to do where the network or the reservation is not there. */
export async function performRelease(context: ActionContext, action: ActionOf<"release-address">): Promise<void> {
  const network = await readNetwork(context.virsh, action.network);
  if (network === null) return;
  const has = (books: readonly { mac: string; ip: string }[]) => books.some((each) => keyOf(each) === keyOf(action));
  const where = [...(has(network.live) ? ["--live"] : []), ...(has(network.config) ? ["--config"] : [])];
  await update(context, action.network, "delete", hostXml({ ...action, name: "" }), where);
}

async function update(
  context: ActionContext,
  network: string,
  verb: "add-last" | "delete",
  xml: string,
  where: readonly string[],
): Promise<void> {
  if (where.length === 0) return;
  await context.virsh.output(updateNetwork(network, verb, xml, where), holdingLocks(context));
}
