/**
 * A small estate for the tests of instances: one image on one layer, a key, a host that answers; and what must be true
 * of it afterwards.
 */

import { findings } from "../../../../src/core/graph/invariants.ts";
import type { CreateInstanceOptions } from "../../../../src/core/instances/create.ts";
import type { Action } from "../../../../src/core/model/action.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { emptyState } from "../../../../src/store/empty-state.ts";
import { fakeClock, fakeIds } from "../../../fake/clock.ts";
import { CLUSTER_BYTES, fakeMachine } from "../../../fake/host.ts";
import { fakeDisk } from "../../../fake/store.ts";
import { type Bed, command, recordsOf, stateOf } from "../world.ts";

export { type Bed as Estate, command, stateOf } from "../world.ts";

export const IMAGE_BYTES = 16 * CLUSTER_BYTES;
const MIB = 1024 ** 2;
const TIME = "2025-01-01T00:00:00.000Z";

/** An image `debian12` of one disk, its content in a frozen layer; the key `mykey`. */
export function newEstate(change: (state: State) => void = () => {}): Bed {
  const machine = fakeMachine();
  const state = emptyState();
  addImage(state, "debian12", ["vda"]);
  state.keypairs.mykey = {
    name: "mykey",
    type: "ssh-ed25519",
    publicKey: "ssh-ed25519 AAAA me@here",
    fingerprint: "SHA256:x",
    owner: "me",
    createdAt: TIME,
  };
  change(state);
  const estate = { machine, disk: fakeDisk(state), clock: fakeClock(), ids: fakeIds() };
  const { host } = command(estate);
  for (const layer of Object.values(state.layers)) {
    host.addFile(layer.file, {
      format: layer.format,
      mode: layer.foreign?.mode ?? 0o400,
      content: { 0: `of ${layer.id}` },
    });
  }
  return estate;
}

/** An image with one frozen layer for each device. */
export function addImage(state: State, name: string, devices: readonly string[]): void {
  const disks = devices.map((device) => ({ device, layer: `lay-${name}-${device}`, sizeBytes: IMAGE_BYTES }));
  for (const { layer } of disks) {
    state.layers[layer] = {
      id: layer,
      parent: null,
      file: `/fake/estrato/layers/${layer}.qcow2`,
      format: "qcow2",
      sizeBytes: IMAGE_BYTES,
      frozen: true,
      foreign: null,
      secret: null,
      busy: null,
      createdAt: TIME,
    };
  }
  state.images[`img-${name}`] = {
    id: `img-${name}`,
    name,
    type: "base",
    visibility: "private",
    disks,
    minDiskBytes: 0,
    minRamBytes: 0,
    source: { kind: "file", id: null, name },
    definition: null,
    nvram: null,
    tpm: null,
    uefi: false,
    owner: "me",
    createdAt: TIME,
    protected: false,
    properties: {},
  };
}

/** All that `instance create web1 --image debian12` says; each test changes what it is about. */
export function creation(change: Partial<CreateInstanceOptions> = {}): CreateInstanceOptions {
  return {
    name: "web1",
    source: { kind: "image", target: "debian12" },
    flavor: null,
    vcpus: 1,
    ramBytes: 256 * MIB,
    diskBytes: null,
    keyName: "mykey",
    network: null,
    ip: null,
    userData: null,
    properties: {},
    start: true,
    ...change,
  };
}

/**
 * Everything that a test can compare: the state, the files, the domains, the reservations, the journal and the records.
 */
export function snapshotOf(estate: Bed): unknown {
  return structuredClone({
    // Not how often it was stored: what was undone was stored twice. Nor what it is called, which stays from then on.
    state: estate.disk.state === null ? null : { ...JSON.parse(estate.disk.state), writes: null, storeId: null },
    files: [...estate.machine.files].map(([path, file]) => ({ path, ...file, clusters: [...file.clusters] })),
    domains: [...estate.machine.domains].map(([uuid, domain]) => ({ uuid, xml: domain.inactive, state: domain.state })),
    networks: [...estate.machine.networks],
    journal: [...estate.disk.journal],
    records: recordsOf(estate),
  });
}

/**
 * What is wrong with the estate: files nobody records, records without files or domains, reservations of nobody, a
 * graph that is not one.
 */
export async function wrongs(estate: Bed): Promise<string[]> {
  const state = await stateOf(estate);
  const wrong = [...findings(state)];
  const { machine } = estate;
  const known = new Set(Object.values(state.layers).map((layer) => layer.file));
  for (const { seed } of Object.values(state.instances)) if (seed !== null) known.add(seed);
  for (const path of machine.files.keys())
    if (path.startsWith("/fake/") && !known.has(path)) wrong.push(`orphan ${path}`);
  for (const path of known) if (!machine.files.has(path)) wrong.push(`missing ${path}`);
  const addresses = Object.values(state.instances).flatMap((one) => one.addresses);
  for (const [name, network] of machine.networks) {
    for (const { ip } of network.reservations) {
      if (!addresses.some((one) => one.network === name && one.ip === ip)) wrong.push(`reservation ${ip} of nobody`);
    }
    for (const one of addresses) {
      if (one.network === name && !network.reservations.some(({ ip }) => ip === one.ip))
        wrong.push(`no reservation ${one.ip}`);
    }
  }
  for (const id of Object.keys(state.instances)) if (!machine.domains.has(id)) wrong.push(`no domain ${id}`);
  for (const [uuid, domain] of machine.domains) {
    const own = domain.inactive.includes("/fake/estrato/layers/");
    if (own && state.instances[uuid] === undefined) wrong.push(`domain ${uuid} of nobody`);
  }
  const secrets = new Set(Object.values(state.layers).flatMap(({ secret }) => secret ?? []));
  for (const secret of secrets) if (machine.secrets.get(secret)?.value == null) wrong.push(`no secret ${secret}`);
  for (const secret of machine.secrets.keys()) if (!secrets.has(secret)) wrong.push(`secret ${secret} of nobody`);
  for (const { file, secret } of Object.values(state.layers)) {
    const opens = machine.files.get(file)?.passphrase ?? null;
    if (opens !== (secret === null ? null : machine.secrets.get(secret)?.value)) wrong.push(`${file} opens otherwise`);
  }
  if (estate.disk.journal.size > 0) wrong.push("the journal is not empty");
  return wrong;
}

/** The kinds of the actions, in order. */
export function kinds(actions: readonly Action[]): string[] {
  return actions.map((action) => action.do);
}
