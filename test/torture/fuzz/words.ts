/** Names, sizes, times and cron lines, as people type them. */
import fc from "fast-check";
import { parseForward, parseHostEnd } from "../../../src/core/forwards/forward.ts";
import { parseNetwork } from "../../../src/core/instances/network-wish.ts";
import { requireName, whyNoName } from "../../../src/core/names.ts";
import { parsePublicKey } from "../../../src/core/openssh-key.ts";
import { parseCron } from "../../../src/core/schedules/cron-time.ts";
import {
  parseCount,
  parseDuration,
  parseKeyValue,
  parsePercent,
  parseSize,
  parseTime,
} from "../../../src/core/values.ts";
import { interfaceXml } from "../../../src/host/domain-new.ts";
import { addForward } from "../../../src/host/forward-words.ts";
import { escapeXml, isXmlSafe } from "../../../src/host/xml.ts";
import { commandLine } from "../../../src/program.ts";
import { humanDuration, humanSize, humanTime } from "../../../src/units.ts";
import { kind } from "./kind.ts";
import { CANARY, mutatedText, nastyText } from "./mutate.ts";
import { refusing, requireLine, Wrong } from "./oracle.ts";

const NAMES = ["web1", "before-upgrade", "web1/first", "née 2", "11111111-2222-4333-8444-555555555555"];

/** What is taken as a name goes into one folder, one line of a list and a definition, and comes out as it went in. */
export const names = kind("names", fc.oneof(mutatedText(NAMES), nastyText), async (name) => {
  await refusing(() => requireName("instance", name));
  if (whyNoName(name) !== null) return;
  if (name.includes("/") || name === "." || name === "..") throw new Wrong("a name leads out of its folder");
  requireLine(`${name}\n`);
  if (isXmlSafe(name) && escapeXml(name).includes(`<${CANARY}`)) throw new Wrong("a name is XML");
});

const SIZES = ["512M", "10G", "10GiB", "1.5G", "1B", "9007199254740991", "0.5K"];
const TIMES = ["90s", "12h", "0", "100w", "2027-01-31", "2027-01-31T12:00:00.5Z", "2027-01-31 12:00+01:00"];
const OTHERS = ["5%", "100%", "7", "role=front", "a.b:c-d=x=y"];

export const sizes = kind("sizes", mutatedText([...SIZES, ...TIMES, ...OTHERS], 3), async (text) => {
  const bytes = await refusing(() => parseSize(text));
  if (bytes !== null && !(Number.isSafeInteger(bytes) && bytes > 0)) throw new Wrong(`${bytes} bytes`);
  if (bytes !== null) requireLine(`${humanSize(bytes)}\n`);
  const ms = await refusing(() => parseDuration(text));
  if (ms !== null && !(Number.isSafeInteger(ms) && ms >= 0)) throw new Wrong(`${ms} ms`);
  if (ms !== null) requireLine(`${humanDuration(ms)}\n`);
  const time = await refusing(() => parseTime(text));
  if (time !== null) requireLine(`${humanTime(time.toISOString())}\n`);
  const count = await refusing(() => parseCount(text));
  if (count !== null && !(Number.isSafeInteger(count) && count > 0)) throw new Wrong(`a count of ${count}`);
  const percent = await refusing(() => parsePercent(text));
  if (percent !== null && !(percent >= 1 && percent <= 100)) throw new Wrong(`${percent}%`);
  await refusing(() => parseKeyValue(text));
  requireLine(`${commandLine(["volume", "create", text]).replaceAll(/[^ -~]/g, "")}\n`, text.length);
});

const PORTS = ["8080:80", "0.0.0.0:5353:53/udp", "127.0.0.1:65535:1/tcp", "8080", "5353/udp"];
const NETWORKS = [
  "default",
  "user",
  "bridge=br0,ip=10.0.0.9/24,gateway=10.0.0.1,dns=10.0.0.2",
  "lan,mac=52:54:00:12:34:56",
];

/** What is taken goes into a definition, into what QEMU's monitor is told, and into a guest's seed. */
export const networks = kind("networks", mutatedText([...PORTS, ...NETWORKS], 3), async (text) => {
  const forward = await refusing(() => parseForward(text));
  if (forward !== null && !/^hostfwd_add n (tcp|udp):[\d.]{7,15}:\d{1,5}-:\d{1,5}$/.test(addForward("n", forward)))
    throw new Wrong(`the monitor is told ${addForward("n", forward)}`);
  await refusing(() => parseHostEnd(text));
  const network = await refusing(() => parseNetwork(text));
  if (network === null) return;
  const { name, mac } = network;
  const card = { mac: mac ?? "52:54:00:00:00:01", ...(network.bridge ? { bridge: name } : { network: name }) };
  if (isXmlSafe(name) && /[<>]/.test(interfaceXml(card).replaceAll(/<\/?(interface|mac|source|model)\b[^<>]*>/g, "")))
    throw new Wrong("a network is XML");
});

const CRONS = ["0 3 * * *", "*/15 * * * *", "0 0 29 2 *", "5-55/5 1,2 1-7 jan mon", "@daily", "0 0 31 12 7"];
const field = fc.oneof(
  fc.constantFrom("*", "*/2", "0", "31", "7", "feb", "FRI", "1-5", "0-59/7", "1,2,3", "30", "L", "1#2", "?"),
  fc.tuple(fc.nat({ max: 70 }), fc.nat({ max: 70 })).map(([a, b]) => `${a}-${b}/${(a * b) % 9}`),
);
const fields = fc.array(field, { minLength: 4, maxLength: 6 }).map((all) => all.join(" "));
const NOW = new Date("2025-01-01T12:00:00Z");

/** What is taken has five fields and no line's end: it goes into a crontab. */
export const cron = kind("cron", fc.oneof(mutatedText(CRONS, 3), fields), async (text) => {
  const taken = await refusing(() => parseCron(text, NOW));
  if (taken !== null && !/^[\w*/,-]+( [\w*/,-]+){4}$/.test(taken)) throw new Wrong(`taken as ${JSON.stringify(taken)}`);
});

const KEYS = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8s0vR0m1v3d5Q8m0mJrUeJ0rEo1Vh0G0Jt9i2m5t3T ana@here\n",
  "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 me",
];

/** What is taken as a key is one line: it goes into user data. */
export const keys = kind("keys", mutatedText(KEYS, 4), async (text) => {
  const key = await refusing(() => parsePublicKey(text, "the key"));
  if (key !== null) requireLine(`${key.line.replaceAll(/[\u200e-\u2069]/g, "")}\n`, text.length);
});
