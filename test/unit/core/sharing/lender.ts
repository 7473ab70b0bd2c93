/** alice, who is no root: her files, and what she tells of them, are hers to change. */

import { createInstance } from "../../../../src/core/instances/create.ts";
import type { World } from "../../../../src/core/ports.ts";
import { shareImage } from "../../../../src/core/sharing/share.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { ALICE, as, BOB, BOTTOM, fileOf, type Hosted, hosted, storeOf } from "./world.ts";

const MALLORY = 3001;
export const SECRET = "/home/bob/secret.qcow2";

/** golden, shared with bob, who has something that she would like to read. */
export async function lent(): Promise<Hosted> {
  const on = hosted();
  await shareImage(as(on, ALICE), "golden", { users: ["bob"], everybody: false });
  on.machine.users.push({ name: "alice", uid: MALLORY, home: "/home/alice" });
  for (const [path, file] of on.machine.files) if (path.startsWith(`${storeOf(ALICE)}/`)) file.uid = MALLORY;
  as(on, BOB).host.addFile(SECRET, { uid: BOB.uid, content: { 0: "secret" } });
  return on;
}

/** web1 on her files. */
export const trusting = (world: World) =>
  createInstance(world, {
    ...{ name: "web1", source: { kind: "image", target: "golden" }, flavor: null, vcpus: 1, ramBytes: 2 ** 28 },
    ...{ diskBytes: null, keyName: null, network: { name: "none" }, ip: null, userData: null, properties: {} },
    ...{ start: true, trustOwner: true },
  });

/** What was made of golden before anybody was asked whether she is trusted. */
export async function standing(what: "instance" | "volume" = "instance"): Promise<Hosted> {
  const on = await lent();
  const bob = as(on, BOB);
  if (what === "instance") await trusting(bob);
  else {
    const source = { kind: "image", target: "golden", disk: null } as const;
    await createVolume(bob, { name: "data1", source, sizeBytes: null, trustOwner: true });
  }
  await bob.store.update((draft) => {
    for (const layer of Object.values(draft.layers)) if (layer.borrowed) delete layer.borrowed.trusted;
  });
  return on;
}

/** Her file stands on what is his. */
export function swapUnder(on: Hosted): void {
  const file = on.machine.files.get(fileOf(BOTTOM));
  if (file) file.backing = { path: SECRET, format: "qcow2" };
}
