/** Compares the disks of an instance with its definition, libvirt and QEMU. */
import { diskFileOf } from "../graph/files.ts";
import { chainOrNull } from "../graph/references.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DiskFile, DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";
import { type HeadFacts, headFacts } from "../truth.ts";
import { diskOf } from "../volumes/attach.ts";
import { wasThereBefore } from "../volumes/attachment.ts";
import { recordDetached } from "../volumes/detach.ts";
import { volumeLabel } from "../volumes/find.ts";
import { type Overlays, overlaysOf } from "../volumes/overlays.ts";
import { findToChange } from "../volumes/take-in.ts";
import { type Finding, unmendable } from "./finding.ts";

/** On its heads, by QEMU, libvirt and its definition; what others have put on them, taken out or moved. */
export async function examineHeads(world: World, state: State, status: DomainStatus): Promise<Finding[]> {
  const findings: Finding[] = [];
  const subject = `instance ${status.name}`;
  const facts = await headFacts(world, state, status);
  const overlays = await overlaysOf(world, state, status, facts);
  if (overlays.length > 0) findings.push(overlaid(status, overlays));
  for (const fact of facts) {
    if (overlays.some(({ device }) => device === fact.device)) continue;
    const head = state.layers[fact.volume.head];
    const file = head === undefined ? { path: fact.recorded, format: "qcow2" } : diskFileOf(state, head);
    if (fact.persistent === null) {
      const by = await otherNameOf(world, state, status, fact);
      findings.push(by === null ? lostDisk(state, status, fact) : renamedDisk(status, fact, by));
      continue;
    }
    if (status.live !== null && fact.qemu !== fact.recorded) {
      findings.push(
        unmendable(
          subject,
          `${fact.device}: QEMU writes to ${fact.qemu ?? "nothing"}, recorded is ${fact.recorded}`,
          fact.qemu === null || fact.qemuChain.includes(fact.recorded)
            ? `Stop ${status.name} and run doctor again.`
            : `Where it was moved there: move it back (virsh blockcopy ${status.name} ${fact.device} --dest ${fact.recorded} --reuse-external --transient-job --wait --pivot). Else stop it and run doctor again.`,
        ),
      );
      continue; // another definition now would leave behind what it writes
    }
    if (status.live !== null && fact.live !== fact.recorded) {
      findings.push(
        unmendable(
          subject,
          `${fact.device}: libvirt's live definition names ${fact.live ?? "nothing"}, QEMU writes to ${fact.recorded}`,
          `Stop and start ${status.name}: nothing is lost.`,
        ),
      );
    }
    if (fact.persistent !== fact.recorded) {
      const disks = [{ device: fact.device, ...file }];
      findings.push({
        subject,
        problem: `${fact.device}: the definition names ${fact.persistent}, recorded is ${fact.recorded}`,
        remedy: "Define the recorded head.",
        // What the guest wrote to another file while it ran on it would be left behind: that is for a person to say.
        mending: {
          locks: [status.uuid],
          loses:
            status.live === null
              ? [`what ${fact.persistent} holds beyond ${fact.recorded} (the file itself stays)`]
              : isOfLayer(state, fact.persistent)
                ? []
                : [`that ${status.name} is to start from ${fact.persistent} next time`],
          mend: (w, locks) => perform(w, locks, [{ do: "redefine", domain: status.uuid, disks }]),
        },
      });
    }
  }
  if (findings.length === 0) findings.push(...examineChains(state, status));
  return findings;
}

function isOfLayer(state: State, path: string): boolean {
  return Object.values(state.layers).some(({ file }) => file === path);
}

/** Another tool has put files on its disks: they are part of them from here on, or that tool must take them away. */
function overlaid(status: DomainStatus, overlays: readonly Overlays[]): Finding {
  const subject = `instance ${status.name}`;
  const problem = overlays
    .map(({ device, paths }) => `${device}: another tool put ${paths.join(", ")} on it`)
    .join("; ");
  const refusal = overlays.find((one) => one.refusal !== null)?.refusal;
  if (refusal) return unmendable(subject, refusal.message.replace(`${subject}: `, ""), refusal.hint ?? "");
  return {
    subject,
    problem,
    remedy: "Take it in: the guest goes on as it is.",
    mending: {
      locks: [status.uuid],
      loses: [],
      mend: async (w, locks) => void (await findToChange(w, locks, status.uuid)),
    },
  };
}

/**
 * A plain disk's definition leaves its chain to the files; an encrypted one's names all of it, each with the secret.
 */
function examineChains(state: State, status: DomainStatus): Finding[] {
  const volumes = volumesOf(state, status.uuid);
  const mending = (disks: readonly (DiskFile & { readonly device: string })[]): Finding["mending"] => ({
    locks: [status.uuid],
    loses: [],
    mend: (w, locks) => perform(w, locks, [{ do: "redefine", domain: status.uuid, disks }]),
  });
  const subject = `instance ${status.name}`;
  const findings = status.inactive.disks.flatMap((disk): Finding[] => {
    const head = state.layers[volumes.get(disk.device)?.head ?? ""];
    if (head === undefined || head.secret === null) {
      if (disk.backing === null || disk.secret !== null) return [];
      const problem = "its definition keeps a note of the layers (<backingStore>) that a later merge makes wrong";
      return [{ subject, problem, remedy: "Define it without.", mending: mending([]) }];
    }
    const file = diskFileOf(state, head);
    const wanted = (file.encryption?.backing ?? []).map(({ path }) => ({ path, secret: head.secret }));
    const named = (disk.backing ?? []).map(({ path, secret }) => ({ path, secret }));
    if (disk.secret === head.secret && JSON.stringify(named) === JSON.stringify(wanted)) return [];
    const problem = `${disk.device}: its definition does not name its secret and the layers that it stands on as they are recorded`;
    return [
      { subject, problem, remedy: "Define it as recorded.", mending: mending([{ device: disk.device, ...file }]) },
    ];
  });
  // Plain disks are written without it all at once: they are one finding
  return findings.filter((one, at) => at === findings.findIndex(({ problem }) => problem === one.problem));
}

/** The name that its definition gives the disk by now (another bus has other names); null where it is not there. */
async function otherNameOf(
  world: World,
  state: State,
  { uuid, inactive }: DomainStatus,
  { recorded }: HeadFacts,
): Promise<string | null> {
  const known = volumesOf(state, uuid);
  for (const { device, source } of inactive.disks) {
    if (source !== null && !known.has(device) && (await isSameFile(world, source, recorded))) return device;
  }
  return null;
}

/** A disk is its volume, not its name. */
function renamedDisk(status: DomainStatus, { device, volume, live }: HeadFacts, by: string): Finding {
  const subject = `instance ${status.name}`;
  const problem = `its definition calls its disk ${device} ${by}`;
  if (live !== null)
    return unmendable(subject, problem, `Stop ${status.name}, and run doctor again: it runs with ${device}.`);
  return {
    subject,
    problem,
    remedy: `Record it as ${by}.`,
    mending: {
      locks: [status.uuid, volume.id],
      loses: [],
      mend: async (world) => {
        await world.store.update((draft) => {
          const one = draft.volumes[volume.id];
          if (one?.instance === status.uuid && one.device === device) one.device = by;
        });
      },
    },
  };
}

/**
 * Somebody took it out behind our back. What estrato made can be put back as it makes it; of a disk from before it,
 * only its owner knows how: it is taken for detached, and stays a volume.
 */
function lostDisk(state: State, status: DomainStatus, { device, volume }: HeadFacts): Finding {
  const subject = `instance ${status.name}`;
  const problem = `its definition has no disk ${device}, which ${volumeLabel(state, volume)} is`;
  if (chainOrNull(state, volume.head) === null || wasThereBefore(state, volume)) {
    const { file = "", format = "" } = state.layers[volume.head] ?? {};
    const again = `virsh attach-disk ${status.name} ${file} ${device} --config --driver qemu --subdriver ${format}`;
    if (status.live?.disks.some((disk) => disk.device === device))
      return unmendable(subject, problem, `Stop ${status.name}, or attach it again: ${again}.`);
    return {
      subject,
      problem,
      remedy: `Take it for detached: it stays, as volume ${volume.name ?? volume.id}. (Or attach it again first: ${again}.)`,
      mending: { locks: [status.uuid, volume.id], loses: [], mend: (w) => recordDetached(w, status.uuid, volume.id) },
    };
  }
  const disk = diskOf(state, volume, device);
  return {
    subject,
    problem,
    remedy: `Attach it again (afterwards "estrato volume detach" can take it out).`,
    mending: {
      locks: [status.uuid],
      loses: [],
      mend: (w, locks) => perform(w, locks, [{ do: "attach-disk", domain: status.uuid, disk }]),
    },
  };
}
