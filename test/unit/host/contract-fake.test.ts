/** The fake host keeps the contract of the real one. */

import { agentOf } from "../../fake/agent.ts";
import { fakeHost } from "../../fake/host.ts";
import { domainAt } from "../../fake/host-domains.ts";
import { hostContract } from "../../host/contract.ts";
import { DISK_BYTES, type Rig, startGuest } from "../../host/rig.ts";

async function openRig(): Promise<Rig> {
  const host = fakeHost();
  const folder = "/fake";
  const rig: Rig = {
    host,
    folder,
    async addImage(name, { format = "qcow2", content = {}, backing } = {}) {
      const path = `${folder}/${name}`;
      const stands = backing === undefined ? null : { path: backing, format: "qcow2" };
      host.addFile(path, { format, sizeBytes: DISK_BYTES, content, backing: stands });
      return path;
    },
    async addText(name, text) {
      host.addFile(`${folder}/${name}`, { format: "raw", text });
      return `${folder}/${name}`;
    },
    async write(path, cluster, letter) {
      host.machine.files.get(path)?.clusters.set(cluster, letter);
    },
    read: async (path) => host.read(path),
    guestWrite: async (uuid, device, cluster, letter) => host.guestWrite(uuid, device, cluster, letter),
    async bootedGuest() {
      const uuid = await startGuest(rig, { vda: await rig.addImage("boot") });
      agentOf(domainAt(host.machine, uuid)).mayTouch = true;
      return uuid;
    },
    async silence(uuid) {
      domainAt(host.machine, uuid).agent = false;
    },
    async freeze(uuid) {
      domainAt(host.machine, uuid).frozen = true;
    },
    async leaveCommit(uuid, device, base) {
      const killed = fakeHost({ machine: host.machine });
      killed.crashAtNext("block-commit-active", "midway");
      await killed.perform({ do: "block-commit-active", domain: uuid, device, base }).catch(() => undefined);
    },
    async leaveCopy(uuid, device) {
      const finish = () => {
        throw new Error("fake host: somebody else's copy was brought to its end");
      };
      domainAt(host.machine, uuid).jobs.push({ device, type: "copy", finish, lose: () => undefined });
    },
    async leaveOpen(uuid, path) {
      domainAt(host.machine, uuid).unused.push(path);
    },
    killQemu: async (uuid) => host.killQemu(uuid),
    close: async () => undefined,
  };
  return rig;
}

hostContract(openRig);
