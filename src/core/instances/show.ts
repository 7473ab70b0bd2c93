/** `instance show`: one instance, with what its agent says. */
import { USER_NETWORK } from "../forwards/free-ports.ts";
import type { DomainInterface, DomainStatus } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import {
  agentAddresses,
  leasedAddresses,
  type Nic,
  networksToAsk,
  readNetworks,
  reservedAddresses,
} from "./addresses.ts";
import { lookUpInstance } from "./find.ts";
import { type InstanceView, instanceView } from "./view.ts";

export interface InstanceDetail extends InstanceView {
  readonly status_reason: string | null; // libvirt's: "I/O error", "saved"
  readonly autostart: boolean | null;
  readonly networks: readonly string[]; // as `instance create --network` takes them
  /** Ports of this host that lead to it. */
  readonly forwards: readonly ForwardView[];
  readonly disks: readonly { readonly device: string; readonly source: string | null; readonly format: string }[];
  /** The snapshot that its disks stand on directly. */
  readonly current_snapshot: string | null;
}

interface ForwardView {
  readonly protocol: string;
  readonly address: string;
  readonly host_port: number;
  readonly guest_port: number;
}

const AGENT_PING_MS = 1_000;

/** One instance by id or name, also one whose domain libvirt has lost. Throws "not_found". Changes nothing. */
export async function showInstance(world: World, target: string): Promise<InstanceDetail> {
  const { status, record, state } = await lookUpInstance(world, target);
  if (status === null) return detail(state, null, record, record?.addresses.map((address) => address.ip) ?? []);
  return detail(state, status, record, await addressesOf(world, status, record));
}

/** Reserved, else from the agent, else leased (LIBVIRT.md, "Addresses"). */
export async function addressesOf(world: World, status: DomainStatus, record: Instance | null): Promise<string[]> {
  const nics: readonly Nic[] = (status.live ?? status.inactive).interfaces;
  const networks = await readNetworks(world, networksToAsk(record, nics));
  const reserved = reservedAddresses(record, nics, networks);
  if (reserved.length > 0) return reserved;
  if (
    status.state === "running" &&
    status.live?.agentChannel &&
    (await world.host.agentPing(status.uuid, AGENT_PING_MS))
  ) {
    const fromAgent = await agentAddresses(world, status.uuid);
    if (fromAgent.length > 0) return fromAgent;
  }
  return leasedAddresses(nics, networks);
}

function detail(
  state: State,
  status: DomainStatus | null,
  record: Instance | null,
  addresses: readonly string[],
): InstanceDetail {
  const { inactive } = status ?? {};
  const interfaces = inactive?.interfaces ?? [];
  const facts =
    status === null || inactive === undefined
      ? null
      : { ...status, vcpus: inactive.vcpus, ramBytes: inactive.ramBytes, macs: interfaces.map((nic) => nic.mac) };
  const current = record?.current ?? null;
  const shelved = status === null ? (record?.shelved ?? null) : null;
  const nics: readonly (Nic & Partial<DomainInterface>)[] = shelved?.interfaces ?? interfaces;
  return {
    ...instanceView(state, facts, record, addresses),
    status_reason: status?.reason || null,
    autostart: status?.autostart ?? shelved?.autostart ?? null,
    networks: nics.flatMap(networkWord),
    forwards: (record?.userNetwork?.forwards ?? []).map(({ protocol, address, host, guest }) => ({
      ...{ protocol, address, host_port: host, guest_port: guest },
    })),
    disks: (inactive?.disks ?? []).map(({ device, source, format }) => ({ device, source, format })),
    current_snapshot: current === null ? null : (state.snapshots[current]?.name ?? current),
  };
}

function networkWord({ network, bridge, user }: Nic & Partial<DomainInterface>): string[] {
  const word =
    network ?? (bridge === undefined ? null : `bridge=${bridge}`) ?? (user === undefined ? null : USER_NETWORK);
  return word === null ? [] : [word];
}
