/** A whole virsh that answers with what is nearly right: what the program asks of libvirt, put together from it. */
import fc from "fast-check";
import { libvirtHost } from "../../../src/host/libvirt.ts";
import { SYSTEM_FOLDERS } from "../../../src/host/libvirt-folders.ts";
import type { Virsh } from "../../../src/host/virsh.ts";
import { BLOCKS, CAPABILITIES, LIST, NETWORK, STATS, UUID } from "./answers.ts";
import { DEFINITIONS } from "./definitions.ts";
import { LEASES } from "./guests.ts";
import { kind } from "./kind.ts";
import { mutatedText } from "./mutate.ts";
import { refusing } from "./oracle.ts";

const [, live = ""] = DEFINITIONS;
/** By the verb of virsh. */
const GOOD: Readonly<Record<string, string>> = {
  list: LIST,
  domstats: STATS,
  dominfo: "Persistent:     yes\nAutostart:      enable\nManaged save:   no\n",
  domstate: "running (booted)\n",
  dumpxml: live,
  domiflist: "vnet0  network  default  virtio  52:54:00:aa:bb:cc\n",
  "snapshot-list": "a\n",
  "checkpoint-list": "",
  "qemu-monitor-command": JSON.stringify(BLOCKS),
  blockjob: " type=commit\n cur=5\n end=10\n",
  "secret-list": ` ${UUID}   volume /a\n`,
  "secret-dumpxml": `<secret><uuid>${UUID}</uuid><description>a</description></secret>`,
  "net-info": "Name: default\nActive:         yes\nPersistent:     yes\n",
  "net-dumpxml": NETWORK,
  "net-dhcp-leases": LEASES[0] ?? "",
  "net-list": "default\n",
  version: "Running against daemon: 9.0.0\n",
  capabilities: CAPABILITIES,
  "pool-dumpxml": "<pool type='dir'><name>p</name></pool>",
  "vol-path": "/a/b\n",
};

const changed = fc
  .constantFrom(...Object.keys(GOOD))
  .chain((verb) => fc.tuple(fc.constant(verb), mutatedText([GOOD[verb] ?? ""], 3)));

function virshOf(answers: ReadonlyMap<string, string>, failing: string | null): Virsh {
  const textOf = ([verb = ""]: readonly string[]) => answers.get(verb) ?? GOOD[verb] ?? "";
  const isFailing = ([verb]: readonly string[]) => verb === failing;
  return {
    folders: SYSTEM_FOLDERS,
    output: async (words: readonly string[]) => textOf(words),
    run: async (words: readonly string[]) => ({ exit: isFailing(words) ? 1 : 0, stdout: textOf(words), stderr: "" }),
    batch: async (all: readonly (readonly string[])[]) =>
      all.map((words) => ({ text: textOf(words), error: isFailing(words) ? "no" : null })),
  } as unknown as Virsh;
}

const input = fc.tuple(
  fc.array(changed, { minLength: 1, maxLength: 3 }),
  fc.option(fc.constantFrom(...Object.keys(GOOD)), { freq: 4 }),
);

export const virsh = kind(
  "virsh",
  input,
  async ([answers, failing]) => {
    const host = libvirtHost(virshOf(new Map(answers), failing), {});
    await refusing(() => host.listDomains());
    await refusing(() => host.domainOutlines(() => true));
    await refusing(() => host.domainStatuses());
    await refusing(() => host.domainStatus("d1"));
    await refusing(() => host.qemuDisks(UUID));
    await refusing(() => host.listSecrets());
    await refusing(() => host.network("default"));
    await refusing(() => host.listNetworks());
    await refusing(() => host.capabilities());
  },
  100,
);
