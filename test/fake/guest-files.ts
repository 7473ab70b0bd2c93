/** Guests' file systems in memory: what is put there is found, and what is taken out is noted. */
import type { FileSystem, GuestDisk, GuestEntry, GuestKind, GuestSystem } from "../../src/core/model/guest-files.ts";
import type { OpenGuest } from "../../src/core/ports.ts";
import type { EstratoError } from "../../src/errors.ts";

export interface FakeGuest {
  readonly fileSystems: FileSystem[];
  readonly systems: GuestSystem[];
  /** By device: what mount says. */
  readonly unmountable: Map<string, string>;
  /** By path; a file's is its text. */
  readonly tree: Map<string, { readonly kind: GuestKind; readonly text?: string; readonly mode?: number }>;
  /** What openGuest throws. */
  refusal: EstratoError | null;
  /** Of each that was opened. */
  readonly opened: (readonly GuestDisk[])[];
  /** "/" and the like, with what was mounted there. */
  readonly mounted: Map<string, string>;
  readonly unpacked: { readonly from: string; readonly to: string }[];
  /** Of what is unpacked. */
  readonly leftOut: string[];
  /** Opened, and not closed yet. */
  open: number;
  /** Called while it is open, before anything is looked at. */
  meanwhile: (() => Promise<void>) | null;
}

export function fakeGuest(): FakeGuest {
  return {
    fileSystems: [{ device: "vda1", type: "ext4" }],
    systems: [{ root: "vda1", mounts: [{ device: "vda1", at: "/" }] }],
    unmountable: new Map(),
    tree: new Map([
      ["/", { kind: "folder" }],
      ["/etc", { kind: "folder" }],
      ["/etc/fstab", { kind: "file", text: "# none", mode: 0o640 }],
      ["/etc/new\nline", { kind: "file", text: "" }],
      ["/etc/nginx", { kind: "folder" }],
      ["/srv", { kind: "folder" }],
      ["/srv/db.sql", { kind: "file", text: "select 1" }],
      ["/home", { kind: "folder" }],
    ]),
    refusal: null,
    opened: [],
    mounted: new Map(),
    unpacked: [],
    leftOut: [],
    open: 0,
    meanwhile: null,
  };
}

export async function openFakeGuest(guest: FakeGuest, disks: readonly GuestDisk[]): Promise<OpenGuest> {
  guest.opened.push(disks);
  if (guest.refusal !== null) throw guest.refusal;
  guest.open += 1;
  await guest.meanwhile?.();
  const entryOf = (path: string): GuestEntry | null => {
    const found = guest.tree.get(path);
    if (found === undefined) return null;
    const { kind, text = "", mode = 0o644 } = found;
    const modifiedAt = new Date("2026-01-02T03:04:05Z");
    return {
      name: path.slice(path.lastIndexOf("/") + 1),
      kind,
      mode,
      uid: 0,
      gid: 7,
      sizeBytes: text.length,
      modifiedAt,
    };
  };
  return {
    fileSystems: async () => guest.fileSystems,
    systems: async () => guest.systems,
    async mount(device, at) {
      const known = guest.fileSystems.some((one) => one.device === device);
      const why = known ? guest.unmountable.get(device) : "No such file or directory";
      if (why !== undefined) return why;
      guest.mounted.set(at, device);
      return null;
    },
    look: async (path) => entryOf(path),
    realPath: async (path) => (guest.tree.get(path)?.kind === "link" ? null : guest.tree.has(path) ? path : null),
    async list(folder) {
      const above = folder === "/" ? "/" : `${folder}/`;
      const names = [...guest.tree.keys()].filter((path) => path !== "/" && path.startsWith(above));
      return names.filter((path) => !path.slice(above.length).includes("/")).flatMap((path) => entryOf(path) ?? []);
    },
    async unpack(parts, folder) {
      for (const { path, name } of parts) guest.unpacked.push({ from: path, to: `${folder}/${name}` });
      return { files: parts.length, folders: 0, links: 0, bytes: 2048, leftOut: [...guest.leftOut] };
    },
    async *pack(parts, told) {
      for (const { path } of parts) yield Buffer.from(`archive of ${path}\n`);
      told({ files: parts.length, folders: 0, links: 0, bytes: 10, leftOut: [] });
    },
    async close() {
      guest.open -= 1;
    },
  };
}
