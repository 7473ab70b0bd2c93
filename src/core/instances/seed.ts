/**
 * What an instance is told about itself at its first boot.
 * Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
import type { Action } from "../model/action.ts";
import { AGENT_CONFIG, withAgent } from "./agent.ts";
import { hostnameOf } from "./hostname.ts";

export interface SeedContents {
  readonly uuid: string; // the instance-id: a new one makes a clone a machine of its own
  readonly name: string;
  readonly publicKey: string | null;
  readonly userData: string | null; // as given; null: keys only
  readonly agent?: boolean; // cloud-init installs the guest agent besides
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
  return { do: "create-seed", path, metaData: metaData(contents), userData: userData(contents), networkConfig: null };
}

function metaData(contents: SeedContents): string {
  const lines = [
    `instance-id: ${JSON.stringify(contents.uuid)}`,
    `local-hostname: ${JSON.stringify(hostnameOf(contents.name))}`,
  ];
  if (contents.publicKey !== null) lines.push("public-keys:", `  - ${JSON.stringify(contents.publicKey)}`);
  return `${lines.join("\n")}\n`;
}

function userData({ userData: given, publicKey, agent = false }: SeedContents): string {
  if (given !== null) return agent ? withAgent(given) : given;
  const lines = [
    ...(publicKey === null ? [] : ["ssh_authorized_keys:", `  - ${JSON.stringify(publicKey)}`]),
    ...(agent ? AGENT_CONFIG : []),
  ];
  return `#cloud-config\n${lines.length === 0 ? "{}" : lines.join("\n")}\n`;
}
