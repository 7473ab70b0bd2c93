/** Definitions of guests that others made: read, edited, and taken as proposals. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { editDefinition } from "../../../src/host/domain-edit.ts";
import { diskAliases, diskMirrors, parseDefinition } from "../../../src/host/domain-xml.ts";
import { machineOf, takenFrom } from "../../../src/host/proposal/domain.ts";
import { namedOfHost } from "../../../src/host/proposal/named.ts";
import { parseXml } from "../../../src/host/xml.ts";
import { foreignXml } from "../../fake/host-domains.ts";
import { kind } from "./kind.ts";
import { CANARY, mutatedText } from "./mutate.ts";
import { refusing, requireLine, Wrong } from "./oracle.ts";

const live = readFileSync(resolve(import.meta.dirname, "../../unit/host/recorded/live.xml"), "utf8");
const UUID = "11111111-2222-4333-8444-555555555555";
const plain = foreignXml({
  name: "legacy",
  uuid: UUID,
  disks: [{ device: "vda", path: "/disks/a.qcow2", format: "qcow2" }],
});

/** Names things of the host, wherever a definition can. */
const hostile = plain
  .replace(
    "<devices>",
    `<devices><interface type='ethernet'><script path='/${CANARY}'/><target dev='x'/></interface>
<filesystem type='mount'><source dir='/${CANARY}'/><target dir='x'/></filesystem>
<serial type='file'><source path='/${CANARY}'/><target port='0'/></serial>
<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='0' slot='2' function='0'/></source></hostdev>
<disk type='volume' device='disk'><source pool='p' volume='${CANARY}'/><target dev='vdb' bus='virtio'/></disk>`,
  )
  .replace("<os>", `<os firmware='efi'><loader readonly='yes' type='pflash'>/${CANARY}</loader>`)
  .replace("<domain type='qemu'>", `<domain type='qemu' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>`)
  .replace("</domain>", `<q:commandline><q:arg value='${CANARY}'/></q:commandline></domain>`);

export const DEFINITIONS = [plain, live, hostile];

const entities = fc.constantFrom(
  `<!DOCTYPE domain [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>${plain.replace("legacy", "&b;")}`,
  `<!DOCTYPE domain SYSTEM "file:///etc/passwd">${plain}`,
  `<?xml version="1.0" encoding="UTF-16"?>${plain}`,
  `\ufeff${plain}`,
  plain.replaceAll("<", "\u003c\u0000"),
  plain.replace("</domain>", `${"<a>".repeat(200)}${"</a>".repeat(200)}</domain>`),
  plain.replace("<domain", `<domain ${Array.from({ length: 5000 }, (_, n) => `a${n}='1'`).join(" ")}`),
  plain.replace("</domain>", `<!-- ${"-".repeat(1000)}`),
);
const changed = fc.oneof({ weight: 30, arbitrary: mutatedText(DEFINITIONS) }, { weight: 1, arbitrary: entities });

const TO = { kvm: false, emulator: "/usr/bin/qemu", firmwares: ["/usr/share/OVMF/OVMF_CODE_4M.fd"] };

export const definitions = kind(
  "definitions",
  fc.tuple(changed, fc.boolean()),
  async ([xml, here]) => {
    const known = await refusing(() => parseDefinition(xml));
    await refusing(() => diskAliases(xml));
    await refusing(() => diskMirrors(xml));
    await refusing(() => machineOf(xml));
    for (const line of (await refusing(() => namedOfHost(xml))) ?? []) requireLine(`${line}\n`);
    const taken = await refusing(() => takenFrom(xml, TO, here ? "here" : "outside"));
    if (taken !== null) {
      for (const what of taken.leftOut) requireLine(`${what}\n`);
      requireOwn(taken.xml);
    }
    if (known === null) return;
    const disks = Object.fromEntries(
      known.disks.map(({ device }) => [device, { path: "/fake/a&b<.qcow2", format: "qcow2" }]),
    );
    const edited = await refusing(() => editDefinition(xml, { disks } as never));
    if (edited !== null) parseDefinition(edited);
  },
  150,
);

/** What is built of a proposal is well-formed, and names nothing of the host that the proposal named. */
function requireOwn(xml: string): void {
  const root = parseXml(xml, "domain").documentElement;
  const text = xml.replace(/<(name|uuid|title|description)>[\s\S]*?<\/\1>/g, "");
  if (text.includes(CANARY))
    throw new Wrong(`taken from outside: ${text.slice(Math.max(0, text.indexOf(CANARY) - 80))}`);
  for (const name of [CANARY, "filesystem", "hostdev", "script", "q:commandline", "qemu:commandline", "source"]) {
    const found = root?.getElementsByTagName(name)[0];
    const isNetwork = name === "source" && ["interface", "channel"].includes(found?.parentNode?.nodeName ?? "");
    if (found !== undefined && !isNetwork) throw new Wrong(`taken from outside: <${name}> in ${xml}`);
  }
}
