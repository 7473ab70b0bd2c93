/** What ssh, scp, Ansible and editors need to reach instances by their names: blocks of ssh_config(5). */
import { compareNames } from "../../order.ts";
import { SSH_PORT } from "../forwards/forward.ts";
import type { Endpoint } from "../model/host.ts";
import type { World } from "../ports.ts";
import { isLogin, sshSettings } from "./access.ts";
import { type FoundInstance, findInstance, isLive } from "./find.ts";
import { loginOf } from "./login.ts";
import { knownEndpoint, sshEndpoint } from "./ssh-wait.ts";

/** What `Host` takes as it is: no pattern, no space, no option. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** The block of one instance. Throws "not_found" where there is none, or no address is known of it. */
export async function sshHost(world: World, target: string): Promise<string> {
  const found = await findInstance(world, target);
  return block(world, found, await sshEndpoint(world, found));
}

/** The blocks of all that run and whose address is known. */
export async function sshHosts(world: World): Promise<string[]> {
  const [state, statuses] = await Promise.all([world.store.read(), world.host.domainStatuses()]);
  const blocks: string[] = [];
  for (const status of [...statuses.values()].filter(isLive).sort((a, b) => compareNames(a.name, b.name))) {
    const found = { status, state, record: state.instances[status.uuid] ?? null };
    const place = await knownEndpoint(world, status, found.record);
    if (place !== null) blocks.push(block(world, found, place));
  }
  return blocks;
}

function block(world: World, { status, state, record }: FoundInstance, { address, port }: Endpoint): string {
  const names = [...(PLAIN_NAME.test(status.name) ? [status.name] : []), status.uuid];
  const login = loginOf(state, record);
  const settings = {
    HostName: address,
    ...(port === SSH_PORT ? {} : { Port: String(port) }),
    ...(isLogin(login) ? { User: login } : {}),
    ...sshSettings(world, status.uuid),
  };
  const lines = Object.entries(settings).map(([key, value]) => `  ${key} ${value}\n`);
  return `Host ${names.join(" ")}\n${lines.join("")}`;
}
