/** Guests that others defined, and user data, by whole lines of the program. */
import fc from "fast-check";
import { parseDefinition } from "../../../src/host/domain-xml.ts";
import { foreignXml } from "../../fake/host-domains.ts";
import { domainOf } from "../../unit/commands/estate.ts";
import { UUID } from "../../unit/core/world.ts";
import { kind } from "./kind.ts";
import { estate, requireSound } from "./lines.ts";
import { mutatedText, nastyText } from "./mutate.ts";

const plain = foreignXml({
  name: "legacy",
  uuid: UUID,
  disks: [{ device: "vda", path: "/disks/legacy.qcow2", format: "qcow2" }],
});
const LINES = [
  "instance list",
  "instance show legacy",
  "instance adopt legacy",
  "snapshot create legacy more",
  "image create --instance legacy --name of-legacy",
  "backup legacy --rotation 1 --target /backups",
  "shelve legacy",
  "instance delete legacy -y",
  "doctor",
];

/** As libvirt could have it: well-formed, the domain that it is asked for, and each disk somewhere in the guest. */
function isPossible(xml: string): boolean {
  try {
    const { uuid, disks } = parseDefinition(xml);
    return uuid === UUID && xml.includes("<name>legacy</name>") && disks.every(({ device }) => /^[a-z]+$/.test(device));
  } catch {
    return false;
  }
}

export const adopted = kind(
  "adopted",
  fc.tuple(mutatedText([plain], 3), fc.constantFrom(...LINES)),
  async ([xml, line]) => {
    fc.pre(isPossible(xml));
    const on = await estate();
    Object.assign(domainOf(on, "legacy"), { inactive: xml, live: null, state: "shutoff", open: [] });
    await requireSound(on, line.split(" "));
  },
  40,
);

const USER_DATA = [
  "#cloud-config\nhostname: web9\nssh_authorized_keys:\n  - ssh-ed25519 AAAA me@here\n",
  "#!/bin/sh\ntouch /ran\n",
  'Content-Type: multipart/mixed; boundary="x"\nMIME-Version: 1.0\n\n--x\n\n#cloud-config\n--x--\n',
];
const CREATE = "instance create web9 --image debian12 --vcpus 1 --ram 256M --user-data -".split(" ");

export const userData = kind(
  "user-data",
  fc.oneof(mutatedText(USER_DATA), nastyText, fc.constant("a".repeat(1024 ** 2 + 1))),
  async (input) => {
    await requireSound(await estate(), CREATE, { input });
  },
  40,
);
