/** Compares the ports that are to lead to an instance with those that do. */
import { sameForwards } from "../forwards/forward.ts";
import { recordNetwork, userNetworkOf } from "../forwards/set.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Instance } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { type Finding, unmendable } from "./finding.ts";

/**
 * QEMU's own are lost wherever a guest was started or resumed by another than us: by libvirt with the host, by virsh.
 * passt's stand in the definition, and passt may have ended.
 */
export async function examineForwards(world: World, status: DomainStatus, instance: Instance): Promise<Finding[]> {
  const { userNetwork } = instance;
  if (userNetwork === undefined) return [];
  const subject = `instance ${status.name}`;
  const { uuid } = status;
  const network = userNetworkOf(status);
  if (network === null) {
    const problem = "its definition has no network of its own user any more, and ports are to lead to it";
    const remedy = "Forget the ports.";
    return [
      { subject, problem, remedy, mending: { locks: [uuid], loses: [], mend: (w) => recordNetwork(w, uuid, null) } },
    ];
  }
  const { forwards } = userNetwork;
  if (network.backend !== userNetwork.backend) {
    const problem = `its definition has ${wordOf(network.backend)} serve its network, recorded is ${wordOf(userNetwork.backend)}`;
    const after = { backend: network.backend, forwards };
    const mend = (w: World) => recordNetwork(w, uuid, after);
    return [{ subject, problem, remedy: "Record it.", mending: { locks: [uuid], loses: [], mend } }];
  }
  const mending = (action: Action): Finding["mending"] => ({
    locks: [uuid],
    loses: [],
    mend: (w, locks) => perform(w, locks, [action]),
  });
  if (network.backend === "passt") {
    if (!sameForwards(network.forwards, forwards)) {
      const xml = world.host.editDefinition(status.inactive.xml, { forwards });
      const problem = "its definition does not name the ports that are recorded";
      return [{ subject, problem, remedy: "Define them.", mending: mending({ do: "define", xml }) }];
    }
    const [first] = status.live === null ? [] : (userNetworkOf({ ...status, inactive: status.live })?.forwards ?? []);
    if (first === undefined || (await world.host.tryListening(first)) !== "free") return [];
    const remedy = `Stop and start ${status.name}: libvirt starts passt with it.`;
    return [unmendable(subject, "passt, which serves its network, has ended", remedy)];
  }
  if (status.live === null || sameForwards((await world.host.liveForwards(uuid)) ?? [], forwards)) return [];
  const problem =
    "the ports that are to lead to it do not, or others do: it was started, or resumed, by another than estrato";
  return [{ subject, problem, remedy: "Set them.", mending: mending({ do: "set-forwards", domain: uuid, forwards }) }];
}

function wordOf(backend: "passt" | "qemu"): string {
  return backend === "qemu" ? "QEMU itself" : backend;
}
