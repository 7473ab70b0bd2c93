/**
 * What every HostPort must keep: run on the fake host and on the real one, so that what core is tested with is what it
 * meets.
 */
import { afterEach, beforeEach, describe } from "vitest";
import { agentContract } from "./contract-agent.ts";
import { domainContract } from "./contract-domains.ts";
import { encryptedContract } from "./contract-encrypted.ts";
import { fileContract } from "./contract-files.ts";
import { liveContract } from "./contract-live.ts";
import { mergeContract } from "./contract-merges.ts";
import { networkContract } from "./contract-networks.ts";
import { sharingContract } from "./contract-sharing.ts";
import { tpmContract } from "./contract-tpm.ts";
import type { Rig } from "./rig.ts";

/** Each case gets a rig of its own. */
export function hostContract(openRig: () => Promise<Rig>): void {
  let rig: Rig | undefined;
  beforeEach(async () => {
    rig = await openRig();
  });
  afterEach(async () => {
    await rig?.close();
  });
  const current = (): Rig => {
    if (!rig) throw new Error("no rig: a case asks for it before it runs");
    return rig;
  };
  describe("image files", () => fileContract(current));
  describe("what others may read", () => sharingContract(current));
  describe("domains", () => domainContract(current));
  describe("merges of files", () => mergeContract(current));
  describe("running guests", () => liveContract(current));
  describe("the guest agent", () => agentContract(current));
  describe("TPMs", () => tpmContract(current));
  describe("encrypted disks", () => encryptedContract(current));
  describe("networks", () => networkContract(current));
}
