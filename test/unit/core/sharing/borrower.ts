/** What bob does with golden. */
import { createInstance } from "../../../../src/core/instances/create.ts";
import type { World } from "../../../../src/core/ports.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";

export const create = (world: World, target = "golden") =>
  createInstance(world, {
    ...{ name: "web1", source: { kind: "image", target }, flavor: null, vcpus: 1, ramBytes: 256 * 1024 ** 2 },
    ...{
      diskBytes: null,
      keyName: null,
      network: { name: "none" },
      ip: null,
      userData: null,
      properties: {},
      start: true,
    },
  });

export const volume = (world: World) =>
  createVolume(world, { name: "data1", source: { kind: "image", target: "golden", disk: null }, sizeBytes: null });
