/** Compares the instances that we remember with libvirt and QEMU. */
import { missingCopies } from "../firmware.ts";
import { isItsLibvirt, LOST_PAGE, lostAmong } from "../instances/find.ts";
import { hostnameOf } from "../instances/hostname.ts";
import { othersMarks, placeOf } from "../instances/marks.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { reservationName } from "../networks.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { examineHeads } from "./disks.ts";
import { type Finding, foundBy, unmendable } from "./finding.ts";
import { examineForwards } from "./forwards.ts";
import { undefinedInstance } from "./undefined.ts";

/** Every remembered instance (or these) has its domain, under its name, on its heads, thawed. */
export async function examineInstances(
  world: World,
  state: State,
  ids: readonly string[] = Object.keys(state.instances),
): Promise<Finding[]> {
  const domains = await world.host.domainStatuses(ids);
  const lost = await lostAmong(world, [...domains.values()]);
  const records = new Set(await world.store.listRecords());
  const findings: Finding[] = [];
  for (const id of ids) {
    const instance = state.instances[id];
    if (instance === undefined) continue;
    const found = await examineInstance(world, state, instance, {
      status: domains.get(id),
      lost: lost.get(id),
      records,
    });
    findings.push(...foundBy((w, now) => examineInstances(w, now, [id]), found));
  }
  return findings;
}

interface Seen {
  readonly status: DomainStatus | undefined;
  /** Why libvirt's word of it is not to be believed. */
  readonly lost: string | undefined;
  readonly records: ReadonlySet<string>;
}

async function examineInstance(
  world: World,
  state: State,
  instance: Instance,
  { status, lost, records }: Seen,
): Promise<Finding[]> {
  const subject = `instance ${instance.name}`;
  if (instance.shelved !== null) return examineShelved(world, state, instance, status !== undefined, records);
  if (status === undefined) {
    if (isItsLibvirt(state)) return [await undefinedInstance(world, state, instance, null)];
    const problem = `libvirt has no domain ${instance.id}`;
    return [unmendable(subject, problem, "Is it another libvirt's? Name that with --connect.")];
  }
  // What else could be said of it may be wrong, and mending it would be.
  if (lost !== undefined) return [unmendable(subject, lost, LOST_REMEDY)];
  // Whatever defines its disks would define it, as it is said in what runs.
  if (!status.persistent)
    return [await undefinedInstance(world, state, instance, status), ...(await examineGuest(world, status))];
  return [
    ...(status.name === instance.name ? [] : [renamed(instance, status)]),
    ...(await examineMarks(world, state, status)),
    ...(await examineHeads(world, state, status)),
    ...(await examineGuest(world, status)),
    ...(await examineAddresses(world, { ...instance, name: status.name })),
    ...(await examineForwards(world, status, instance)),
  ];
}

const LOST_REMEDY = `Nothing touches it until libvirt knows of it again: see ${LOST_PAGE}.`;

/** It is in its image, with its definition, and libvirt has no domain of it. */
async function examineShelved(
  world: World,
  state: State,
  instance: Instance,
  hasDomain: boolean,
  records: ReadonlySet<string>,
): Promise<Finding[]> {
  const subject = `instance ${instance.name}`;
  const image = state.images[instance.shelved?.image ?? ""];
  if (image === undefined) {
    const problem = `it is shelved, and its image ${instance.shelved?.image} is not recorded`;
    return [unmendable(subject, problem, "Nothing here can know what became of it; its volumes hold its data.")];
  }
  const findings: Finding[] = [];
  const missing = (file: string) =>
    findings.push(unmendable(subject, `it is shelved, and ${file} is missing`, "Put the file back from a copy."));
  const { definition } = image;
  if (definition === null || !records.has(definition)) missing("its definition");
  for (const { what } of await missingCopies(world, image)) missing(`its ${what}`);
  if (hasDomain) {
    const remedy = `Stop and undefine that domain (virsh undefine --keep-nvram ${instance.id}), then unshelve it.`;
    findings.push(unmendable(subject, "it is shelved, and libvirt has a domain of its id", remedy));
  }
  return [...findings, ...(await examineAddresses(world, instance))];
}

/** Two stores that took it in before there were marks, or whoever defined it from a copy. */
async function examineMarks(world: World, state: State, status: DomainStatus): Promise<Finding[]> {
  const others = await othersMarks(world, state, status);
  return others.map((mark) =>
    unmendable(
      `instance ${status.name}`,
      `it bears the mark of another store: ${placeOf(world, state, mark)}`,
      `One of the two must let it go: estrato instance release ${status.name}; where the other is gone for good: estrato instance adopt --take-over ${status.name}.`,
    ),
  );
}

function renamed(instance: Instance, status: DomainStatus): Finding {
  return {
    subject: `instance ${instance.name}`,
    problem: `libvirt calls it ${status.name}`,
    remedy: "Take libvirt's name.",
    mending: {
      locks: [instance.id],
      loses: [],
      mend: async (world) => {
        await world.store.update((draft) => {
          const one = draft.instances[instance.id];
          if (one !== undefined) one.name = status.name;
        });
      },
    },
  };
}

async function examineGuest(world: World, status: DomainStatus): Promise<Finding[]> {
  if (status.state !== "running" || status.live?.agentChannel !== true) return [];
  if ((await world.host.agentFreezeStatus(status.uuid)) !== "frozen") return [];
  return [
    {
      subject: `instance ${status.name}`,
      problem: "its file systems are frozen",
      remedy: "Thaw them.",
      mending: {
        locks: [status.uuid],
        loses: [],
        mend: (w, locks) => perform(w, locks, [{ do: "thaw", domain: status.uuid }]),
      },
    },
  ];
}

async function examineAddresses(world: World, instance: Instance): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { network, mac, ip } of instance.addresses) {
    const info = await world.host.network(network);
    const subject = `instance ${instance.name}`;
    if (info === null) {
      findings.push(unmendable(subject, `its network ${network} is not there`, "Define the network again."));
      continue;
    }
    if (info.reservations.some((one) => one.mac === mac && one.ip === ip)) continue;
    const name = reservationName(info, hostnameOf(instance.name), instance.id);
    findings.push({
      subject,
      problem: `network ${network} does not reserve ${ip} for it`,
      remedy: "Reserve the address.",
      mending: {
        locks: [instance.id],
        loses: [],
        mend: (w, locks) => perform(w, locks, [{ do: "reserve-address", network, mac, ip, name }]),
      },
    });
  }
  return findings;
}
