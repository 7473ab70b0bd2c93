/** What core asks of libvirt: domains and what runs in them, definitions, secrets, networks. */
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
} from "../model/host.ts";

/**
 * libvirt, and through it QEMU and the guest's agent. "host" where it does not answer. Everything may throw
 * EstratoError.
 */
export interface LibvirtPort {
  /** All domains, in one process. */
  listDomains(): Promise<DomainSummary[]>;
  /**
   * All domains as a list shows them: one process, and a second one for the interfaces of those for which `wanted` is
   * true.
   */
  domainOutlines(wanted: (domain: DomainSummary) => boolean): Promise<DomainOutline[]>;
  /** Of all domains that run, in one process. */
  domainLoads(): Promise<DomainLoad[]>;
  /** By UUID or name; null where there is none. `also`: what QEMU has open, which waits for QEMU to answer. */
  domainStatus(domain: string, also?: "qemu"): Promise<DomainStatus | null>;
  /** The same for many, in as few processes as can be; keyed by UUID. Without `domains`: all. */
  domainStatuses(domains?: readonly string[]): Promise<Map<string, DomainStatus>>;
  /** By UUID: the QEMU process of each of these domains that runs though libvirt takes it for off. */
  strayProcesses(uuids: readonly string[]): Promise<Map<string, number>>;
  /** Since when the process of a running domain runs; null where the machine does not tell. */
  startedAt(uuid: string): Promise<Date | null>;
  /** Where a running domain's screen is served, as `virsh domdisplay` says it (vnc://127.0.0.1:0); null: nowhere. */
  display(uuid: string): Promise<string | null>;
  /** What QEMU has open, of a running domain. */
  qemuDisks(uuid: string): Promise<QemuDisk[]>;
  /**
   * Of a running domain: its memory was saved while it was paused, and until it is resumed its QEMU takes no block job
   * and changes no file (LIBVIRT.md, trap 30).
   */
  isAsleep(uuid: string): Promise<boolean>;
  /** Is the agent answering now? */
  agentPing(uuid: string, timeoutMs: number): Promise<boolean>;
  /** "frozen" or "thawed"; null where no agent answers. */
  agentFreezeStatus(uuid: string): Promise<"frozen" | "thawed" | null>;
  agentAddresses(uuid: string): Promise<string[] | null>;
  /**
   * One command to a guest's agent, which has `timeoutMs` for it. Nothing of it is in any process's arguments. Asked
   * once.
   */
  agentCommand(uuid: string, command: AgentCommand, timeoutMs: number): Promise<AgentAnswer>;
  /** The secrets that libvirt holds, without their values. */
  listSecrets(): Promise<SecretSummary[]>;
  network(name: string): Promise<NetworkInfo | null>;
  listNetworks(): Promise<string[]>;
  capabilities(): Promise<HostCapabilities>;
  /** What a machine of this definition's kind can have here at most, whatever else runs. */
  machineLimits(xml: string): Promise<MachineLimits>;
  /** What would serve a new guest's network that needs no root; null where nothing here does. */
  userBackend(): Promise<UserBackend | null>;
  /**
   * The ports that lead into a running domain whose network QEMU serves itself; null where it is off or has no such
   * network.
   */
  liveForwards(uuid: string): Promise<Forward[] | null>;
  /** Edits a definition in place: what we don't know survives. */
  editDefinition(xml: string, edit: DefinitionEdit): string;
  /** A new domain's document. */
  newDefinition(spec: NewDomain): Promise<string>;
  parseDefinition(xml: string): DomainDefinition;
  /** Where libvirt itself puts the NVRAM of a domain of this name. Pure. */
  nvramPlace(name: string): string;
  /**
   * A new definition, built of what is taken of this one by name (DESIGN.md, invariant 16): of the guest's machine all
   * that it boots with, of this host nothing. From `outside` the names of networks are left out too.
   */
  takenFrom(xml: string, from: "outside" | "here"): Promise<TakenDefinition>;
  /** What of this host a definition names: paths, devices, scripts, networks. In others' words. */
  namedOfHost(xml: string): Promise<string[]>;
  /**
   * The definition that a saved memory (switch-disks with `memory`) belongs to: to be edited and handed to
   * "restore-memory".
   */
  memoryDefinition(path: string): Promise<string>;
  screenshot(uuid: string, path: string): Promise<void>;
  /** What connects a terminal with the guest's serial console; `escapeKey` (^]) leaves it. Pure. */
  consoleCommand(uuid: string, escapeKey: string | null): Command;
}
