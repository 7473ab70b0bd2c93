/** What virsh, qemu-img, getfacl and getent print, what servers and lists of sums say, and what is read of it. */
import fc from "fast-check";
import { nameOfUrl, parseSum, requireUrl, sumIn } from "../../../src/core/images/download-source.ts";
import { parseAcls } from "../../../src/host/access.ts";
import { parseBlockJob } from "../../../src/host/block-job.ts";
import { parseCapabilities } from "../../../src/host/capabilities.ts";
import { parseList } from "../../../src/host/domain-list.ts";
import { parseInterfaces, parseOutlines } from "../../../src/host/domain-outline.ts";
import { parseDominfo, parseState } from "../../../src/host/domain-status.ts";
import { lastAnswer } from "../../../src/host/download/answer.ts";
import { parseFirmwares } from "../../../src/host/firmwares.ts";
import { parseNetwork } from "../../../src/host/networks.ts";
import { lastWords } from "../../../src/host/process-failure.ts";
import { disksOf, parseNodes, parseQueryBlock, strangersOn } from "../../../src/host/qemu-disks.ts";
import { filePathOf } from "../../../src/host/qemu-file-names.ts";
import {
  createExtentReader,
  parseDepth,
  parseFaults,
  parseInfo,
  parseMeasure,
  parsePlace,
  parseProgress,
} from "../../../src/host/qemu-img-output.ts";
import { parseUsers } from "../../../src/host/users.ts";
import { parseBatch } from "../../../src/host/virsh.ts";
import { type Kind, kind } from "./kind.ts";
import { type Json, mutatedJsonText, mutatedText } from "./mutate.ts";
import { refusing, requireLine, Wrong } from "./oracle.ts";

export const UUID = "e8c9cd3d-f6ad-4faa-b93e-df5a83434386";
export const LIST = `${UUID} d1\n00000000-0000-4000-8000-000000000001 a 'b'  c\n`;
export const STATS = `Domain: 'd1'\n  state.state=1\n  state.reason=1\n  balloon.current=1024\n  vcpu.current=2\n`;
const INFO: Json = {
  "virtual-size": 1048576,
  filename: "/a/b.qcow2",
  "cluster-size": 65536,
  format: "qcow2",
  "actual-size": 200704,
  "full-backing-filename": "/a/base.qcow2",
  "backing-filename": 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/a/base.qcow2"}}',
  "backing-filename-format": "qcow2",
  "format-specific": { type: "qcow2", data: { compat: "1.1", corrupt: false, "refcount-bits": 16 } },
  snapshots: [{ id: "1", name: "a" }],
  "dirty-flag": false,
};
export const BLOCKS: Json = {
  return: [
    {
      device: "",
      qdev: "/machine/peripheral/virtio-disk0/virtio-backend",
      inserted: {
        image: {
          filename: "/a/head.qcow2",
          "virtual-size": 1048576,
          "backing-image": { filename: 'json:{"file":{"filename":"/a/base"}}', "virtual-size": 1048576 },
        },
      },
    },
    { device: "cd", qdev: "sata0-0-1" },
  ],
  id: "libvirt-9",
};
const NODES: Json = { return: [{ "node-name": "libvirt-1-format", file: "/a/b", drv: "qcow2" }] };
export const NETWORK = `<network><name>default</name><ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>
<range start='192.168.122.2' end='192.168.122.254'/><host mac='52:54:00:AA:00:01' name='web1' ip='192.168.122.7'/>
</dhcp></ip></network>`;
export const CAPABILITIES = `<capabilities><host><cpu><arch>x86_64</arch></cpu><secmodel><model>dac</model>
<baselabel type='kvm'>+64055:+64055</baselabel></secmodel></host><guest><os_type>hvm</os_type><arch name='x86_64'>
<emulator>/usr/bin/qemu</emulator><machine canonical='pc-q35-7.2'>q35</machine><domain type='kvm'/></arch></guest>
</capabilities>`;
const FIRMWARES = `<domainCapabilities><os><loader supported='yes'><value>/usr/share/OVMF/OVMF_CODE.fd</value></loader></os>
</domainCapabilities>`;
const ALIASES = new Map([["vda", "virtio-disk0"]]);

/** Each with an answer that it must have understood at least once. */
const TEXTS: readonly (readonly [string, (text: string) => unknown])[] = [
  [LIST, (text) => parseList(text, STATS)],
  [STATS, (text) => parseList(LIST, text)],
  [STATS, (text) => parseOutlines(LIST, text, UUID)],
  ["vnet0  network  my net  virtio  52:54:00:aa:bb:cc\n", parseInterfaces],
  ["Persistent:     yes\nAutostart:      enable\nManaged save:   no\n", parseDominfo],
  ["shut off (saved)\n", parseState],
  ["  type=commit\n  cur=5\n  end=10\n", parseBlockJob],
  [NETWORK, parseNetwork],
  [CAPABILITIES, (text) => parseCapabilities({ version: "", capabilities: text, cpuinfo: "flags : vmx", ownUid: 0 })],
  [FIRMWARES, parseFirmwares],
  ["@@n 0@\na\n@@n 1@\n", (text) => parseBatch({ stdout: text, stderr: `error: ${text}` }, "n", 1)],
  ["    (12.34/100%)\r", parseProgress],
  ["# file: /a\n# owner: 0\n# group: 0\nuser::rwx\nuser:7:r-x\nmask::rwx\nother::--x\n", parseAcls],
  ["root:x:0:0:root:/root:/bin/sh\n", parseUsers],
  ["error: Failed\nqemu-img: Could not open 'x'\n", (text) => requireLine(`${lastWords(text) ?? ""}\n`, text.length)],
  ['HTTP/1.1 206 OK\r\nETag: "a"\r\nContent-Range: bytes 9-99/100\r\nAccept-Ranges: bytes\r\n\r\n', lastAnswer],
  [`SHA256 (x) = ${"a".repeat(64)}\n${"b".repeat(128)} *x\n`, (text) => sumIn(text, "x")],
  [`sha256:${"a".repeat(64)}`, parseSum],
  ["https://example.org:8443/a%20b/x.qcow2?y=1#z", (text) => nameOfUrl(requireUrl(text, "--url"))],
  ['json:{"file":{"file":{"filename":"/a"}}}', filePathOf],
];

const JSONS: readonly (readonly [Json, (text: string) => unknown])[] = [
  [INFO, (text) => parseInfo(text, "/a/b.qcow2")],
  [[INFO, INFO], parseDepth],
  [{ filename: "/a", "check-errors": 0, corruptions: 2, leaks: 1 }, parseFaults],
  [{ required: 327680, "fully-allocated": 1376256 }, parseMeasure],
  [NODES, parseNodes],
  [BLOCKS, (text) => disksOf(parseQueryBlock(text), ALIASES)],
  [BLOCKS, (text) => strangersOn(parseQueryBlock(text), [], "/a/head.qcow2")],
  [{ start: 0, length: 65536, depth: 0, present: true, zero: false, data: true, offset: 327680 }, extentsOf],
];

function extentsOf(text: string): void {
  const reader = createExtentReader("qcow2");
  reader.line(`[${text},`);
  reader.line(text);
  parsePlace(text);
  if (!reader.extents.every(({ start, length }) => start >= 0 && length > 0)) {
    throw new Wrong(`extents that are none: ${JSON.stringify(reader.extents)}`);
  }
}

const texts = TEXTS.map(([seed, read]) => mutatedText([seed]).map((text) => ({ text, read })));
const jsons = JSONS.map(([seed, read]) => mutatedJsonText([seed]).map((text) => ({ text, read })));

export const answers: Kind = kind("answers", fc.oneof(...texts, ...jsons), ({ text, read }) =>
  refusing(() => read(text)),
);
