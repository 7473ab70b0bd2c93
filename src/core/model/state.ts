/** The shape of `state.json`: what the things on this host mean. Paths are here and nowhere else in the state. */
import * as v from "valibot";

/**
 * Raised by one with each change of the shape, a new field too: an older program then refuses what it would misread,
 * and no default fills in what an older state lacks. `store/migrations.ts` holds the way from each older version, and a
 * test a recorded state of each.
 */
export const STATE_VERSION = 5;

const time = v.string(); // ISO 8601, UTC
const bytes = v.pipe(v.number(), v.integer(), v.minValue(0));
const properties = v.record(v.string(), v.string());

/** A content with an id. Where its bytes lie and what it stands on may change; a frozen layer's content never does. */
const layer = v.object({
  id: v.string(), // lay-…
  parent: v.nullable(v.string()), // the layer it stands on
  file: v.string(), // absolute path
  format: v.picklist(["qcow2", "raw"]),
  sizeBytes: bytes, // the virtual size; never smaller than the parent's
  frozen: v.boolean(), // false: the head of one volume
  foreign: v.nullable(
    // Was there before us: the owner (-1: libvirt gives it back) and mode to give back
    v.object({
      uid: v.number(),
      gid: v.number(),
      mode: v.number(),
      // It was found below a disk, and is never written. "others": not even its mode is ours to change
      template: v.optional(v.picklist(["held", "others"])),
    }),
  ),
  secret: v.nullable(v.string()), // libvirt's secret UUID where encrypted
  busy: v.nullable(v.string()), // op-… of the merge that is rewriting it: no new file may be made on it
  // Somebody else's file, which stands for all that it stands on itself: only read, and never touched in any other way.
  borrowed: v.optional(
    v.object({
      image: v.string(), // id of the shared image
      name: v.string(), // what it was called then
      owner: v.string(), // whose it is
      depth: v.pipe(v.number(), v.integer(), v.minValue(1)), // files that QEMU opens to read it
      marker: v.string(), // path of the file, with the lender, that says that we use it
      trusted: v.optional(v.literal(true)), // its lender is not root, and a person said that he is trusted
      // A disk of a backup: what it holds is pulled into the layer above it, and then it is let go.
      backup: v.optional(
        v.object({
          id: v.string(), // bak-…
          target: v.string(), // absolute path of the folder that the backup is in
          files: v.pipe(v.array(v.string()), v.minLength(1)), // that QEMU opens to read it, top first
          // Whose the files are: libvirt gives them to QEMU's user
          owner: v.object({ uid: v.number(), gid: v.number() }),
          mark: v.string(), // what the marker says: who uses it
        }),
      ),
    }),
  ),
  createdAt: time,
});

/** A writable layer (its head) on frozen ones, with a name. */
const volume = v.object({
  id: v.string(), // vol-…
  name: v.nullable(v.string()),
  head: v.string(),
  instance: v.nullable(v.string()), // UUID of the instance it is attached to
  device: v.nullable(v.string()), // vda, …
  deleteWithInstance: v.boolean(), // made by the instance's creation
  sourceSnapshot: v.nullable(v.string()),
  sourceImage: v.nullable(v.string()),
  uefi: v.boolean(), // of a guest with UEFI: does not boot without
  owner: v.string(),
  createdAt: time,
  properties,
});

/**
 * What libvirt no longer knows of an instance that is shelved. Its disks, definition (disks named by volume), NVRAM and
 * TPM are those of the image.
 */
const shelved = v.object({
  image: v.string(), // id
  at: time,
  was: v.picklist(["running", "paused", "off"]),
  autostart: v.boolean(),
  vcpus: v.number(),
  ramBytes: bytes,
  interfaces: v.array(v.object({ mac: v.string(), network: v.nullable(v.string()) })),
  offloaded: v.boolean(), // its disks are packed
});

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));

/** The network that needs no root of an instance which has one, and the ports that lead to it. */
const userNetwork = v.object({
  backend: v.picklist(["passt", "qemu"]), // what serves it
  forwards: v.array(
    v.object({ protocol: v.picklist(["tcp", "udp"]), address: v.string(), host: port, guest: port }), // IPv4
  ),
});

/** An image that an instance stands on, or may be rebuilt on: its layers stay for that, whoever deletes the image. */
const base = v.object({
  image: v.string(), // id
  name: v.string(), // what it was called then
  disks: v.array(v.object({ device: v.string(), layer: v.string(), sizeBytes: bytes })), // none of a lender's
  uefi: v.boolean(), // of a guest with UEFI
  tpm: v.boolean(), // it keeps what a TPM held, which goes with the image
});

/** What estrato knows of a libvirt domain beyond libvirt's own definition. */
const instance = v.object({
  id: v.string(), // the libvirt UUID
  name: v.string(),
  origin: v.picklist(["created", "adopted"]),
  image: v.nullable(v.string()), // id of the image or snapshot it was made from, or of the image it was rebuilt on
  base: v.optional(base), // what it is rebuilt on where nothing else is named; absent: it was made from no image
  flavor: v.nullable(v.string()),
  keyName: v.nullable(v.string()),
  owner: v.string(),
  createdAt: time,
  properties,
  current: v.nullable(v.string()), // the snapshot that its heads stand on directly
  undo: v.nullable(v.string()), // the automatic snapshot that `snapshot unrevert` goes back to
  addresses: v.array(v.object({ network: v.string(), mac: v.string(), ip: v.string() })), // our DHCP reservations
  userNetwork: v.optional(userNetwork), // absent: it has none, or nobody has asked for a port of it
  seed: v.nullable(v.string()), // path of its NoCloud seed
  shelved: v.nullable(shelved), // null: libvirt has its domain
  // What an adopted one's definition said that we may change; absent: nobody wrote it down, or we made it
  original: v.optional(
    v.object({
      generationId: v.boolean(), // it had one
      nvram: v.nullable(v.string()), // path
      // By device: what named it, instead of a path
      pools: v.optional(v.record(v.string(), v.object({ name: v.string(), volume: v.string(), path: v.string() }))),
    }),
  ),
});

const snapshotDisk = v.object({ volume: v.string(), device: v.string(), layer: v.string(), sizeBytes: bytes });

/** The guest's memory, and what a host must have for it to go on. */
const snapshotMemory = v.object({
  file: v.string(), // file name under memory/
  sizeBytes: bytes,
  paused: v.boolean(), // the instance was paused, and resumes so
  definition: v.nullable(v.string()), // the expanded live definition, a file name under records/
  qemuVersion: v.nullable(v.string()), // that wrote it
  machine: v.nullable(v.string()), // pc-q35-7.2
});

const snapshot = v.object({
  id: v.string(), // snap-…
  name: v.string(),
  type: v.picklist(["instance", "volume"]),
  instance: v.nullable(v.string()), // UUID
  volume: v.nullable(v.string()), // for type volume
  parent: v.nullable(v.string()), // the snapshot before it
  automatic: v.boolean(), // kept by a revert
  disks: v.array(snapshotDisk),
  excluded: v.array(v.string()), // devices left out on request
  consistency: v.picklist(["offline", "crash", "filesystem", "memory"]),
  memory: v.nullable(snapshotMemory),
  definition: v.nullable(v.string()), // file name under records/, disks named by volume
  nvram: v.nullable(v.string()), // file name under nvram/
  tpm: v.nullable(v.string()), // what its emulated TPM keeps, there too
  uefi: v.boolean(), // of a guest with UEFI
  vcpus: v.nullable(v.number()),
  ramBytes: v.nullable(bytes),
  flavor: v.nullable(v.string()),
  schedule: v.optional(v.string()), // sch-…, that took it; absent: none did. Nobody can set it
  seed: v.optional(v.string()), // path of the seed that it had, where that is not its first one
  // Kept by a rebuild: what the instance was made of before, and is again once that is taken back
  madeOf: v.optional(v.object({ image: v.nullable(v.string()), base: v.optional(base) })),
  owner: v.string(),
  createdAt: time,
  expiresAt: v.nullable(time),
  protected: v.boolean(),
  description: v.nullable(v.string()),
  properties,
});

const image = v.object({
  id: v.string(), // img-…
  name: v.string(),
  type: v.picklist(["base", "snapshot", "shelved"]),
  visibility: v.picklist(["private", "shared", "public"]), // public: whether or not it is also shared with somebody
  sharedWith: v.optional(v.array(v.object({ name: v.string(), uid: v.number() }))), // users by name
  disks: v.array(v.object({ device: v.string(), layer: v.string(), sizeBytes: bytes })),
  minDiskBytes: bytes,
  minRamBytes: bytes,
  source: v.object({
    kind: v.picklist(["file", "url", "snapshot", "instance", "volume"]),
    id: v.nullable(v.string()),
    name: v.string(),
  }),
  // Of one that was downloaded: the sum that was found, and by what it was compared
  download: v.optional(
    v.object({
      url: v.string(),
      checksum: v.string(), // sha256:…, sha512:…
      verified: v.picklist(["signature", "checksum", "none"]),
    }),
  ),
  definition: v.nullable(v.string()), // the instance's definition it came with, a file name under records/
  nvram: v.nullable(v.string()),
  tpm: v.nullable(v.string()),
  uefi: v.boolean(),
  owner: v.string(),
  createdAt: time,
  protected: v.boolean(),
  properties,
});

/**
 * Where the next incremental backup begins: the frozen layers that a backup was taken from. One for each instance and
 * target.
 */
const bookmark = v.object({
  id: v.string(), // of the backup: bak-…
  instance: v.string(), // UUID
  target: v.string(), // absolute path of the folder that the backup is in
  disks: v.array(snapshotDisk),
  createdAt: time,
});

const flavor = v.object({ name: v.string(), vcpus: v.number(), ramBytes: bytes, diskBytes: bytes, createdAt: time });
const keypair = v.object({
  name: v.string(),
  type: v.string(),
  publicKey: v.string(),
  fingerprint: v.string(),
  owner: v.string(),
  createdAt: time,
});

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const milliseconds = count;

/** What of the things that a schedule makes stays: a rotation, or rules to keep. */
const retention = v.object({
  rotation: v.optional(count),
  last: v.optional(count),
  hourly: v.optional(count),
  daily: v.optional(count),
  weekly: v.optional(count),
  monthly: v.optional(count),
  yearly: v.optional(count),
  withinMs: v.optional(milliseconds),
});

const scheduledSnapshot = v.object({
  kind: v.literal("snapshot"),
  quiesce: v.picklist(["try", "require", "off"]),
  memory: v.boolean(),
  expireMs: v.nullable(milliseconds),
});

/** What is looked at of a backup once it is there. */
const verification = v.variant("kind", [
  v.object({
    kind: v.literal("share"),
    percent: v.pipe(count, v.minValue(1), v.maxValue(100)),
    from: v.pipe(count, v.maxValue(99)), // where the next share begins: core/backups/share.ts
  }),
  v.object({ kind: v.literal("boot"), timeoutMs: milliseconds, consoleText: v.nullable(v.string()) }),
]);

const scheduledBackup = v.object({
  kind: v.literal("backup"),
  target: v.string(), // absolute path
  type: v.string(),
  incremental: v.boolean(),
  compress: v.boolean(),
  quiesce: v.picklist(["try", "require", "off"]),
  disks: v.array(v.string()), // devices; none: all
  passphraseFile: v.nullable(v.string()), // absolute path of what an encrypted one is opened with
  verify: v.nullable(verification), // null: nothing
});

/** Programs of the user's around what a schedule does. */
const hooks = v.object({
  before: v.nullable(v.string()), // absolute path
  after: v.nullable(v.string()),
  timeoutMs: milliseconds,
  failure: v.picklist(["abort", "warn"]),
});

/** What cron does at its times, in our name. */
const schedule = v.object({
  id: v.string(), // sch-…
  name: v.string(),
  instance: v.string(), // UUID
  instanceName: v.string(), // what it was called then
  cron: v.string(), // five fields
  task: v.variant("kind", [scheduledSnapshot, scheduledBackup]),
  retention: v.nullable(retention),
  zone: v.string(), // whose calendar the retention goes by, IANA
  jitterMs: milliseconds,
  lockTimeoutMs: milliseconds,
  hooks: v.nullable(hooks),
  catchUp: v.boolean(), // what was missed while the host was off is made up for
  lines: v.array(v.string()), // of the crontab
  last: v.nullable(
    // Result: done, skipped (the instance is shelved), warned (a hook failed), or the code of the error
    v.object({ startedAt: time, ms: milliseconds, result: v.string(), message: v.nullable(v.string()) }),
  ),
  lastGoodAt: v.nullable(time), // when the last one that went well began
  owner: v.string(),
  createdAt: time,
});

/** Whose store it is: the machine and the libvirt that it was first used with. */
const binding = v.object({
  machine: v.string(), // /etc/machine-id, or `name:` and the host's name where it has none
  machineName: v.string(), // what it was called then: for people
  uri: v.string(), // in its one form: core/binding/uri.ts
  home: v.string(), // the folder of the store: the paths of all that it remembers are below it
  user: v.nullable(v.number()), // whose session it is, as a user id; null: a libvirt of the whole machine
});

export const stateSchema = v.object({
  version: v.literal(STATE_VERSION),
  binding: v.nullable(binding), // null: nothing has been written since states have this field
  writes: v.optional(count), // how often it was stored; none: never by a version that counts
  layers: v.record(v.string(), layer),
  volumes: v.record(v.string(), volume),
  instances: v.record(v.string(), instance),
  snapshots: v.record(v.string(), snapshot),
  images: v.record(v.string(), image),
  flavors: v.record(v.string(), flavor),
  keypairs: v.record(v.string(), keypair),
  bookmarks: v.record(v.string(), bookmark), // by backup
  // Tells this store's unfinished backups in a target from another's; null: none was begun yet
  storeId: v.nullable(v.string()),
  targets: v.record(v.string(), v.string()), // folders of backups: path → the id that its marker holds
  schedules: v.record(v.string(), schedule),
});

/** Of the records that others hold copies of: the journal, and what lies beside the state. */
export const recordSchemas = { layer, volume, instance, userNetwork, shelved, snapshot, image, schedule, base };

export type Binding = v.InferOutput<typeof binding>;
export type State = v.InferOutput<typeof stateSchema>;
export type Layer = v.InferOutput<typeof layer>;
export type Volume = v.InferOutput<typeof volume>;
export type Instance = v.InferOutput<typeof instance>;
export type Shelved = v.InferOutput<typeof shelved>;
export type Base = v.InferOutput<typeof base>;
export type Snapshot = v.InferOutput<typeof snapshot>;
export type SnapshotMemory = v.InferOutput<typeof snapshotMemory>;
export type Image = v.InferOutput<typeof image>;
export type Bookmark = v.InferOutput<typeof bookmark>;
export type Flavor = v.InferOutput<typeof flavor>;
export type Keypair = v.InferOutput<typeof keypair>;
export type Schedule = v.InferOutput<typeof schedule>;
export type ScheduledSnapshot = v.InferOutput<typeof scheduledSnapshot>;
export type Verification = v.InferOutput<typeof verification>;
export type ScheduledBackup = v.InferOutput<typeof scheduledBackup>;
