/**
 * What an instance is told about itself at its first boot.
 * Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
import type { Action } from "../model/action.ts";
import { hostnameOf } from "./hostname.ts";

export interface SeedContents {
  readonly uuid: string; // the instance-id: a new one makes a clone a machine of its own
  readonly name: string;
  readonly publicKey: string | null;
  readonly userData: string | null; // as given; null: keys only
  readonly networkConfig?: string | null; // null: it finds out by itself
}

/**
 * The device of the seed: the last letter, since volumes that are attached later take the next free one, and 24 of them
 * fit in between. Only a name inside the definition: the guest finds the seed by its label.
 */
export const SEED_DEVICE = "vdz";

/**
 * The action that makes the seed at `path`. Values are JSON strings, which YAML reads as they are whatever they hold.
 */
export function createSeed(path: string, contents: SeedContents): Action {
  const { networkConfig = null } = contents;
  return { do: "create-seed", path, metaData: metaData(contents), userData: userData(contents), networkConfig };
}

function metaData(contents: SeedContents): string {
  const lines = [
    `instance-id: ${JSON.stringify(contents.uuid)}`,
    `local-hostname: ${JSON.stringify(hostnameOf(contents.name))}`,
  ];
  if (contents.publicKey !== null) lines.push("public-keys:", `  - ${JSON.stringify(contents.publicKey)}`);
  return `${lines.join("\n")}\n`;
}

function userData(contents: SeedContents): string {
  if (contents.userData !== null) return contents.userData;
  if (contents.publicKey === null) return "#cloud-config\n{}\n";
  return `#cloud-config\nssh_authorized_keys:\n  - ${JSON.stringify(contents.publicKey)}\n`;
}
