/** Beds that were written down: all that outlives commands, as JSON, and back. */
import { fakeClock, fakeIds } from "../../fake/clock.ts";
import type { Content } from "../../fake/host.ts";
import { type FakeDomain, type FakeFile, type FakeMachine, fakeMachine } from "../../fake/host-machine.ts";
import { fakeDisk } from "../../fake/store.ts";
import { type Bed, backupsOf, command, contentsOf, stateOf } from "./world.ts";

type Disks = Readonly<Record<string, Content>>;

/** What things read as. */
export interface Contents {
  /** Of snapshots, images and backups, by id. */
  readonly kept: Readonly<Record<string, Disks>>;
  /** Of domains, by UUID: what QEMU writes to, or the files that it is defined to start from. */
  readonly guests: Readonly<Record<string, Disks>>;
  readonly volumes: Readonly<Record<string, Content>>;
}

/** A bed on which a command was killed. */
export interface Recorded {
  /** What the command was, and where it was killed. */
  readonly of: string;
  readonly killed: string;
  /** What was there before it. */
  readonly before: Contents;
  readonly now: string;
  readonly machine: RecordedMachine;
  readonly disk: RecordedDisk;
}

type RecordedFile = Partial<Omit<FakeFile, "clusters">> & { readonly clusters: [number, string | null][] };

interface RecordedMachine extends Partial<Omit<FakeMachine, "files" | "domains" | "folders" | "readers" | "closed">> {
  readonly files: Record<string, RecordedFile>;
  readonly domains: Record<string, FakeDomain>;
  readonly folders: string[];
  readonly readers: [string, readonly number[]][];
}

interface RecordedDisk {
  readonly state: unknown;
  readonly journal: readonly { readonly id: string; readonly kind: string }[];
  readonly records: Record<string, string>;
}

/** The bed of a record; what is done on it leaves the record as it is. Its new ids are nobody's. */
export function bedOf(recorded: Recorded): Bed {
  const { files, domains, folders, readers, networks, secrets, ...rest } = structuredClone(recorded.machine);
  const machine: FakeMachine = {
    ...fakeMachine(),
    ...rest,
    files: new Map(Object.entries(files).map(([path, file]) => [path, fileOf(file)])),
    domains: new Map(Object.entries(domains)),
    folders: new Set(folders),
    readers: new Map(readers),
    networks: new Map(networks),
    secrets: new Map(secrets),
  };
  // What the lines of its schedules start; nobody looked for it when these were written down.
  const program = { ...fileOf({ clusters: [] }), mode: 0o755 };
  for (const path of ["/usr/bin/node", "/opt/estrato/bin/estrato"])
    if (!machine.files.has(path)) machine.files.set(path, { ...program });
  const disk = fakeDisk();
  disk.state = JSON.stringify(recorded.disk.state);
  disk.copies.push(disk.state);
  for (const entry of recorded.disk.journal) disk.journal.set(entry.id, JSON.stringify(entry));
  for (const [name, text] of Object.entries(recorded.disk.records)) disk.records.set(name, text);
  return { machine, disk, clock: fakeClock(recorded.now), ids: fakeIds("e") };
}

function fileOf({ clusters, ...fields }: RecordedFile): FakeFile {
  return { ...PLAIN, ...fields, clusters: new Map(clusters) };
}

/** What most files are; a record names what is otherwise. */
const PLAIN = {
  format: "qcow2",
  sizeBytes: 1048576,
  backing: null,
  text: null,
  memory: null,
  mode: 0o600,
  uid: 0,
  gid: 0,
  encrypted: false,
  passphrase: null,
  isBlockDevice: false,
  faults: 0,
} as const satisfies Omit<FakeFile, "clusters">;

export async function readAll(on: Bed): Promise<Contents> {
  const { snapshots, images, volumes, layers } = await stateOf(on);
  const { host } = command(on);
  const ids = [...Object.keys(snapshots), ...Object.keys(images), ...backupsOf(on)];
  const kept = await Promise.all(ids.map(async (id) => [id, await contentsOf(on, id)] as const));
  const guests = [...on.machine.domains].map(([uuid, { inactive, live }]) => {
    const disks = host.parseDefinition(inactive).disks.filter(({ device }) => /^vd[a-y]$/.test(device));
    const read = disks.map(({ device, source }) => [
      device,
      live === null ? host.read(source ?? "") : host.guestRead(uuid, device),
    ]);
    return [uuid, Object.fromEntries(read)];
  });
  return {
    kept: Object.fromEntries(kept),
    guests: Object.fromEntries(guests),
    volumes: Object.fromEntries(
      Object.values(volumes).map(({ id, head }) => [id, host.read(layers[head]?.file ?? "")]),
    ),
  };
}
