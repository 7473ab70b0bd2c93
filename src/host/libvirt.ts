/** libvirt, and through it QEMU and the guest's agent: the part of the host that core's LibvirtPort asks for. */
import type {
  AgentAnswer,
  AgentCommand,
  Command,
  DefinitionEdit,
  DomainDefinition,
  DomainLoad,
  DomainOutline,
  DomainStatus,
  DomainSummary,
  Forward,
  HostCapabilities,
  MachineLimits,
  NetworkInfo,
  NewDomain,
  QemuDisk,
  SecretSummary,
  TakenDefinition,
  UserBackend,
} from "../core/model/host.ts";
import { editDefinition } from "./domain-edit.ts";
import { listDomains } from "./domain-list.ts";
import { newDefinition } from "./domain-new.ts";
import { domainStatus, domainStatuses } from "./domain-status.ts";
import { parseDefinition } from "./domain-xml.ts";
import { createEmpty, removeFile } from "./files.ts";
import { nvramPlace } from "./libvirt-folders.ts";
import type { Virsh } from "./virsh.ts";

/** What is asked of libvirt. The capabilities are read once. */
export function libvirtHost(virsh: Virsh, env: NodeJS.ProcessEnv) {
  let capabilities: Promise<HostCapabilities> | undefined;

  async function readCapabilities(): Promise<HostCapabilities> {
    const module = await import("./capabilities.ts");
    capabilities ??= module.readCapabilities(virsh);
    return capabilities;
  }

  return {
    listDomains: (): Promise<DomainSummary[]> => listDomains(virsh),
    domainOutlines: async (wanted: (domain: DomainSummary) => boolean): Promise<DomainOutline[]> =>
      (await import("./domain-outline.ts")).domainOutlines(virsh, wanted),
    domainLoads: async (): Promise<DomainLoad[]> => (await import("./domain-load.ts")).domainLoads(virsh),
    domainStatus: (domain: string, also?: "qemu"): Promise<DomainStatus | null> => domainStatus(virsh, domain, also),
    domainStatuses: (domains?: readonly string[]): Promise<Map<string, DomainStatus>> => domainStatuses(virsh, domains),
    strayProcesses: async (uuids: readonly string[]): Promise<Map<string, number>> =>
      (await import("./stray-process.ts")).strayProcesses({ virsh, capabilities: readCapabilities }, uuids),
    startedAt: async (uuid: string): Promise<Date | null> =>
      (await import("./stray-process.ts")).startedAt({ virsh, capabilities: readCapabilities }, uuid),
    display: async (uuid: string): Promise<string | null> => {
      const { exit, stdout } = await virsh.run(["domdisplay", "--domain", uuid]);
      return exit === 0 && stdout.trim() !== "" ? stdout.trim() : null;
    },
    qemuDisks: async (uuid: string): Promise<QemuDisk[]> => (await import("./qemu-disks.ts")).qemuDisks(virsh, uuid),
    isAsleep: async (uuid: string): Promise<boolean> => (await import("./qemu-disks.ts")).isAsleep(virsh, uuid),
    agentPing: async (uuid: string, timeoutMs: number): Promise<boolean> =>
      (await import("./agent.ts")).agentPing(virsh, uuid, timeoutMs),
    agentFreezeStatus: async (uuid: string): Promise<"frozen" | "thawed" | null> =>
      (await import("./agent.ts")).agentFreezeStatus(virsh, uuid),
    agentAddresses: async (uuid: string): Promise<string[] | null> =>
      (await import("./agent.ts")).agentAddresses(virsh, uuid),
    agentCommand: async (uuid: string, command: AgentCommand, timeoutMs: number): Promise<AgentAnswer> =>
      (await import("./agent.ts")).agentCommand(virsh, uuid, command, timeoutMs),
    listSecrets: async (): Promise<SecretSummary[]> => (await import("./secrets.ts")).listSecrets(virsh),
    network: async (name: string): Promise<NetworkInfo | null> =>
      (await import("./networks.ts")).readNetwork(virsh, name),
    listNetworks: async (): Promise<string[]> => (await import("./networks.ts")).listNetworks(virsh),
    capabilities: readCapabilities,
    machineLimits: async (xml: string): Promise<MachineLimits> =>
      (await import("./machine-limits.ts")).readMachineLimits(virsh, xml),
    userBackend: async (): Promise<UserBackend | null> =>
      (await import("./user-network.ts")).userBackend(virsh, env.PATH ?? ""),
    liveForwards: async (uuid: string): Promise<Forward[] | null> =>
      (await import("./forward-words.ts")).liveForwards(virsh, uuid),
    editDefinition: (xml: string, edit: DefinitionEdit): string => editDefinition(xml, edit),
    newDefinition: async (spec: NewDomain): Promise<string> => newDefinition(spec, await readCapabilities()),
    takenFrom: async (xml: string, from: "outside" | "here"): Promise<TakenDefinition> => {
      const { machineOf, takenFrom } = await import("./proposal/domain.ts");
      const { kvm, emulator } = await readCapabilities();
      const machine = machineOf(xml);
      const firmwares = machine === null ? [] : await (await import("./firmwares.ts")).firmwaresOf(virsh, machine);
      return takenFrom(xml, { kvm, emulator, firmwares }, from);
    },
    namedOfHost: async (xml: string): Promise<string[]> => (await import("./proposal/named.ts")).namedOfHost(xml),
    parseDefinition: (xml: string): DomainDefinition => parseDefinition(xml, virsh.folders),
    nvramPlace: (name: string): string => nvramPlace(virsh.folders, name),
    /** The definition that a saved memory belongs to; with --security-info. */
    memoryDefinition: (path: string): Promise<string> =>
      virsh.output(["save-image-dumpxml", "--file", path, "--security-info"]),
    /** Writes the guest's screen as a PPM or PNG file, as QEMU gives it, mode 0600. */
    async screenshot(uuid: string, path: string): Promise<void> {
      await removeFile(path);
      await createEmpty(path, 0o600);
      await virsh.output(["screenshot", "--domain", uuid, "--file", path]);
    },
    /** What connects a terminal with the guest's serial console; `leaveKey` (^]) leaves it. */
    consoleCommand: (uuid: string, leaveKey: string | null): Command =>
      virsh.command(...(leaveKey === null ? [] : ["--escape", leaveKey]), "console", "--domain", uuid),
  };
}
