/** What a guest says: through its agent, and to the network's DHCP. */
import fc from "fast-check";
import { agentAddresses, agentFreezeStatus, agentPing } from "../../../src/host/agent.ts";
import { parseLeases } from "../../../src/host/networks.ts";
import type { Virsh } from "../../../src/host/virsh.ts";
import { kind } from "./kind.ts";
import { type Json, mutatedJsonText, mutatedText } from "./mutate.ts";
import { refusing, requireLine, Wrong } from "./oracle.ts";

const ANSWERS: Json[] = [
  {
    return: [
      { name: "lo", "ip-addresses": [{ "ip-address-type": "ipv4", "ip-address": "127.0.0.1", prefix: 8 }] },
      {
        name: "eth0",
        "hardware-address": "52:54:00:aa:bb:cc",
        "ip-addresses": [{ "ip-address": "192.168.122.5" }, { "ip-address": "2001:db8::5" }],
      },
    ],
  },
  { return: "thawed" },
  { return: {} },
  { error: { class: "GenericError", desc: "no" } },
];
/** More than a guest with every address of a subnet says. */
const HUGE = JSON.stringify({
  return: [
    { "ip-addresses": Array.from({ length: 100_000 }, (_, n) => ({ "ip-address": `10.0.${n % 256}.${n % 251}` })) },
  ],
});

const answer = fc.oneof(
  { weight: 200, arbitrary: mutatedJsonText(ANSWERS) },
  { weight: 1, arbitrary: fc.constant(HUGE) },
);

export const agent = kind("agent", fc.tuple(answer, fc.constantFrom(0, 1, null)), async ([stdout, exit]) => {
  const virsh = { run: async () => ({ exit, stdout, stderr: "" }) } as unknown as Virsh;
  const addresses = (await refusing(() => agentAddresses(virsh, "uuid"))) ?? [];
  for (const each of addresses) {
    if (!/^[0-9A-Fa-f.:]{3,45}$/.test(each)) throw new Wrong(`an address ${JSON.stringify(each)}`);
  }
  const status = await refusing(() => agentFreezeStatus(virsh, "uuid"));
  if (status !== null && status !== "frozen" && status !== "thawed")
    throw new Wrong(`a status ${JSON.stringify(status)}`);
  if (typeof (await refusing(() => agentPing(virsh, "uuid", 1))) !== "boolean") throw new Wrong("no yes, and no no");
});

export const LEASES = [
  ` Expiry Time           MAC address         Protocol   IP address           Hostname   Client ID or DUID
---------------------------------------------------------------------------------------------------------
 2025-01-01 12:00:00   52:54:00:aa:bb:cc   ipv4       192.168.122.57/24    web1       01:52:54:00:aa:bb:cc
 2025-01-01 12:00:00   52:54:00:aa:bb:cd   ipv6       fd00::7/64           -          -
`,
];

export const leases = kind("leases", mutatedText(LEASES), async (text) => {
  for (const { mac, ip } of (await refusing(() => parseLeases(text))) ?? []) {
    requireLine(`${mac} ${ip}\n`);
    if (mac.length !== 17 || !/^[0-9.]+$/.test(ip)) throw new Wrong(`a lease of ${JSON.stringify([mac, ip])}`);
  }
});
