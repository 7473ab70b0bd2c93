/**
 * A host on which each verb of the chief nouns has something to do. It is made once, by lines of the program; each
 * test gets a copy.
 */
import { parseDefinition } from "../../../src/host/domain-xml.ts";
import { fakeClock, fakeIds } from "../../fake/clock.ts";
import type { FakeDomain, FakeMachine } from "../../fake/host-machine.ts";
import { newEstate } from "../core/instances/world.ts";
import { type Bed, command, TARGET, UUID } from "../core/world.ts";
import { type LineOptions, type LineResult, runLine } from "./line.ts";

/** When the tests begin; the estate was made in the hours before. */
export const NOW = "2025-01-01T12:00:00.000Z";

/** What web1 held when it was reverted to upgrade. */
export const KEPT = "before-revert-20250101-013000";

/** What is said once where an instance is made: the host of the tests has no KVM. */
export const SLOW = "KVM does not work on this host: instances run under software emulation, slowly";

/** Runs one line, its words apart by spaces (`·` is one within a word), as a process of its own. */
export function run(on: Bed, line: string, how: LineOptions = {}): Promise<LineResult> {
  const { host, store } = command(on);
  const words = line.split(" ").map((word) => word.replaceAll("·", " "));
  return runLine(words, { host, store, ids: on.ids, clock: on.clock, ...how });
}

/** The same, where it must go well: what it prints. */
export async function printed(on: Bed, line: string): Promise<string> {
  const { exit, stdout, stderr } = await run(on, line);
  if (exit !== 0) throw new Error(`${line}: ${exit}: ${stderr}`);
  return stdout;
}

/**
 * - web1 runs. Its snapshots are first, upgrade (on first) and awake (with memory, on upgrade); it stands on upgrade,
 *   and what it held when it was reverted is kept (KEPT).
 * - web2 is off, with a second disk, data2, and has a snapshot first too. put-by is shelved. legacy is a guest that
 *   estrato did not make, and has not adopted.
 * - The volume data1 has a snapshot monday.
 * - /backups holds two backups of web1, the second on the first, and one of web2.
 */
const LINES = [
  "instance create web1 --image debian12 --vcpus 1 --ram 256M --key-name mykey --property role=front",
  "volume create data2 --size 1M",
  "instance create web2 --image debian12 --flavor tiny --volume data2 --no-start",
  "instance create put-by --image debian12 --vcpus 1 --ram 256M",
  "snapshot create web1 first --description before --property k=v",
  "snapshot create web2 first",
  "snapshot create web1 upgrade",
  "snapshot create web1 awake --memory",
  "snapshot revert web1/upgrade",
  "shelve put-by",
  "volume create data1 --size 1M",
  "snapshot create --volume data1 monday",
  `backup web1 --rotation 9 --target ${TARGET} --type daily --name nightly`,
  `backup web1 --rotation 9 --target ${TARGET} --type daily --incremental`,
  `backup web2 --rotation 9 --target ${TARGET}`,
];

async function build(): Promise<Bed> {
  const on: Bed = { ...newEstate(), clock: fakeClock() };
  const { host } = command(on);
  on.machine.folders.add(TARGET);
  host.addFile("/disks/legacy.qcow2", { content: { 0: "boot" }, mode: 0o640, uid: 7, gid: 7 });
  host.addDomain({
    name: "legacy",
    uuid: UUID,
    disks: [{ device: "vda", path: "/disks/legacy.qcow2", format: "qcow2" }],
  });
  for (const [index, line] of LINES.entries()) {
    on.clock.advance(10 * 60_000);
    await printed(on, line);
    if (domainOf(on, "web1").live !== null) command(on).host.guestWrite("web1", "vda", 1, `after line ${index}`);
  }
  on.clock.set(NOW);
  return on;
}

let built: Promise<Bed> | undefined;

/** A copy of it, which the test may change. */
export async function estate(): Promise<Bed> {
  built ??= build();
  const { machine, disk } = await built;
  const ids = fakeIds();
  return {
    machine: structuredClone(machine),
    disk: structuredClone(disk),
    clock: fakeClock(NOW),
    ids: {
      next: (prefix) => ids.next(prefix).replace("-0", "-f"),
      uuid: () => ids.uuid().replace("0000-4", "1111-4"),
      mac: () => ids.mac().replace("54:00:00", "54:00:11"),
    },
  };
}

/**
 * What of the machine and the store is not as it was, by its name: files, domains, records. `before` and `after` are
 * of everything().
 */
export function differences(before: string, after: string): string[] {
  const parts = (text: string) => {
    const [files, domains, state, journal, records] = JSON.parse(text);
    return new Map<string, string>(
      [...files, ...domains, ...journal, ...records, ["the state", state]].map(([name, ...rest]) => [
        name,
        JSON.stringify(rest),
      ]),
    );
  };
  const [was, is] = [parts(before), parts(after)];
  return [...new Set([...was.keys(), ...is.keys()])].filter((name) => was.get(name) !== is.get(name));
}

/** Something else has befallen the domain of this name. */
export function befallen(name: string, change: Partial<FakeDomain>): (on: Bed) => void {
  return (on) => void Object.assign(domainOf(on, name), change);
}

/** Another command is at work on the instance of this name. */
export function busy(name: string): (on: Bed) => void {
  return (on) => void on.disk.locks.set(parseDefinition(domainOf(on, name).inactive).uuid, {});
}

/** There is a file that holds a passphrase, /key, and one that holds another, /wrong. */
export function withKeys(on: Bed): void {
  command(on).host.addFile("/key", { format: "raw", text: "sesame\n" });
  command(on).host.addFile("/wrong", { format: "raw", text: "another\n" });
}

/** There is an encrypted backup of this instance, called secret. */
export function secretBackup(instance: string): (on: Bed) => Promise<void> {
  return async (on) => {
    withKeys(on);
    await printed(
      on,
      `backup ${instance} --rotation 9 --target ${TARGET} --name secret --encrypt --passphrase-file /key`,
    );
  };
}

/** Bytes of this file are not those that were written. */
export function damaged(path: string): (on: Bed) => void {
  return ({ machine }) => void machine.files.get(path)?.clusters.set(0, "rot");
}

/** The host is another than it was. */
export function onHost(change: Partial<FakeMachine>): (on: Bed) => void {
  return ({ machine }) => void Object.assign(machine, change);
}

/** The domain of this name, as libvirt has it. */
export function domainOf({ machine }: Bed, name: string): FakeDomain {
  const found = [...machine.domains.values()].find(({ inactive }) => inactive.includes(`<name>${name}</name>`));
  if (found === undefined) throw new Error(`libvirt has no domain ${name}`);
  return found;
}
