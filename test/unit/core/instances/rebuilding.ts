/** A guest web1 that was made from the image debian12, and that has been written to since. */
import { createInstance } from "../../../../src/core/instances/create.ts";
import { type RebuildOptions, type Rebuilt, rebuildInstance } from "../../../../src/core/instances/rebuild.ts";
import type { Instance, State } from "../../../../src/core/model/state.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { type Bed, bed, command, stateOf, stop, take, UUID, write } from "../world.ts";
import { addImage, creation } from "./world.ts";

export const keep = { image: null, keepMs: 86_400_000, trustOwner: false };
export const OF_IMAGE = { vda: { 0: "of lay-debian12-vda" } };
export const OF_OTHER = { vda: { 0: "of lay-debian13-vda" } };
export const WRITTEN = { vda: { 0: "of lay-debian12-vda", 2: "second" } };

/** Its UUID is that of the tests' guest; s1 holds "first". There is an image debian13 besides. */
export async function made(running = true, change: (state: State) => void = () => {}): Promise<Bed> {
  const on = bed();
  const world = command(on);
  await world.store.update((draft) => {
    addImage(draft, "debian12", ["vda"]);
    addImage(draft, "debian13", ["vda"]);
    change(draft);
    for (const { id, file } of Object.values(draft.layers))
      world.host.addFile(file, { mode: 0o400, content: { 0: `of ${id}` } });
  });
  await addKey(world);
  await createInstance({ ...world, ids: { ...world.ids, uuid: () => UUID } }, creation());
  write(on, 2, "first");
  await take(on, "s1");
  write(on, 2, "second");
  if (!running) await stop(on);
  return on;
}

async function addKey(world: ReturnType<typeof command>): Promise<void> {
  const createdAt = world.clock.now().toISOString();
  const key = { type: "ssh-ed25519", publicKey: "ssh-ed25519 AAAA me@here", fingerprint: "SHA256:x" };
  await world.store.update((draft) => {
    draft.keypairs.mykey = { name: "mykey", ...key, owner: "me", createdAt };
  });
}

export const rebuild = (on: Bed, change: Partial<RebuildOptions> = {}) =>
  rebuildInstance(command(on), "web1", { ...keep, ...change }) as Promise<Rebuilt>;

export const planned = (on: Bed, change: Partial<RebuildOptions> = {}) =>
  rebuildInstance(command(on, { dryRun: true }), "web1", { ...keep, ...change }) as Promise<PlanView>;

export async function recordOf(on: Bed): Promise<Instance> {
  const record = (await stateOf(on)).instances[UUID];
  if (record === undefined) throw new Error("no web1");
  return record;
}

/** The instance-id that the guest is told at its next start. */
export async function instanceIdOf(on: Bed): Promise<string | undefined> {
  const xml = on.machine.domains.get(UUID)?.inactive ?? "";
  const drive = command(on)
    .host.parseDefinition(xml)
    .disks.find(({ readonly }) => readonly);
  return /instance-id: \\"([^"\\]*)/.exec(on.machine.files.get(drive?.source ?? "")?.text ?? "")?.[1];
}
