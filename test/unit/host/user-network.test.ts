/** What serves a network without root, what leads into it, and how a definition says so. */
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import type { Forward } from "../../../src/core/model/host.ts";
import { editDefinition } from "../../../src/host/domain-edit.ts";
import { interfaceXml } from "../../../src/host/domain-new.ts";
import { parseDefinition } from "../../../src/host/domain-xml.ts";
import { parseForwards } from "../../../src/host/forward-words.ts";
import { tryListening } from "../../../src/host/listening.ts";
import { takenFrom } from "../../../src/host/proposal/domain.ts";
import { hasDefaultRoute, offeredBackends } from "../../../src/host/user-network.ts";

const MAC = "52:54:00:00:00:01";
const WEB: Forward = { protocol: "tcp", address: "127.0.0.1", host: 8080, guest: 80 };
const DNS: Forward = { protocol: "udp", address: "0.0.0.0", host: 5353, guest: 53 };
const domain = (card: string) =>
  `<domain type='qemu'><name>w</name><uuid>00000000-0000-4000-8000-000000000001</uuid><memory unit='KiB'>65536</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${card}</devices></domain>`;
const cardsOf = (xml: string) => parseDefinition(xml).interfaces;

describe("what is offered", () => {
  const enumOf = (...words: string[]) =>
    `<domainCapabilities><devices><interface supported='yes'><enum name='backendType'>${words.map((one) => `<value>${one}</value>`).join("")}</enum></interface></devices></domainCapabilities>`;
  test("is QEMU's own where libvirt says nothing of it, else what it names", () => {
    expect(offeredBackends("<domainCapabilities><devices/></domainCapabilities>")).toEqual(["qemu"]);
    expect(offeredBackends(enumOf("default", "passt"))).toEqual(["qemu", "passt"]);
    expect(offeredBackends(enumOf("passt"))).toEqual(["passt"]);
    expect(offeredBackends(enumOf())).toEqual([]);
  });

  test("leads out by a default route alone", () => {
    const head = "Iface\tDestination\tGateway \tFlags\n";
    expect(hasDefaultRoute(`${head}virbr0\t007AA8C0\t00000000\t0001\n`)).toBe(false);
    expect(hasDefaultRoute(`${head}eth0\t00000000\t0109090A\t0003\n`)).toBe(true);
    expect(hasDefaultRoute("")).toBe(false);
  });
});

test("what leads in is read from the monitor's table, of the network that is meant", () => {
  const text = `Hub -1 (hostnet1):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  14       127.0.0.1  9999       10.0.2.15    99     0     0
Hub -1 (hostnet0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[SYN_SENT]      28       127.0.0.1  8080       10.0.2.15    80     0     0
  TCP[HOST_FORWARD]  16       127.0.0.1  8080       10.0.2.15    80     0     0
  UDP[HOST_FORWARD]  17               *  5353       10.0.2.15    53     0     0
`;
  expect(parseForwards(text, "hostnet0")).toEqual([WEB, DNS]);
  expect(parseForwards(text, "hostnet2")).toEqual([]);
});

describe("a card", () => {
  test.each([
    ["of QEMU's own", { user: { backend: "qemu", forwards: [] } } as const],
    ["of passt's, with ports", { user: { backend: "passt", forwards: [WEB, DNS] } } as const],
    ["on a bridge", { bridge: "br0" }],
    ["on a network", { network: "default" }],
  ])("%s is read as it is written, and another becomes it", (_, source) => {
    const [card] = cardsOf(domain(interfaceXml({ mac: MAC, ...source })));
    const { user, ...plain } = card ?? {};
    expect({
      ...plain,
      ...(user === undefined ? {} : { user: { backend: user.backend, forwards: user.forwards } }),
    }).toMatchObject({ mac: MAC, ...source });
    for (const other of [{ network: "lan" }, { user: { backend: "passt", forwards: [WEB] } } as const]) {
      const xml = domain(interfaceXml({ mac: MAC, ...other }));
      expect(cardsOf(editDefinition(xml, { networks: { [MAC]: source } }))).toEqual([card]);
    }
  });

  test("of passt's gets other ports, and one of QEMU's own none", () => {
    const passt = domain(interfaceXml({ mac: MAC, user: { backend: "passt", forwards: [WEB] } }));
    expect(cardsOf(editDefinition(passt, { forwards: [DNS] }))[0]?.user?.forwards).toEqual([DNS]);
    const own = domain(interfaceXml({ mac: MAC, user: { backend: "qemu", forwards: [] } }));
    expect(cardsOf(editDefinition(own, { forwards: [DNS] }))[0]?.user?.forwards).toEqual([]);
  });

  test("with a range of ports has each of them", () => {
    const range = "<range start='8000' end='8002' to='80'/><range start='8001' exclude='yes'/>";
    const card = `<interface type='user'><mac address='${MAC}'/><backend type='passt'/><portForward proto='tcp'>${range}</portForward></interface>`;
    const found = cardsOf(domain(card))[0]?.user?.forwards.map(({ address, host, guest }) => [address, host, guest]);
    expect(found).toEqual([8000, 8001, 8002].map((port) => ["0.0.0.0", port, port - 7920]));
  });

  test.each(["here", "outside"] as const)("of a user's is taken from %s, without the ports that led to it", (from) => {
    const xml = domain(interfaceXml({ mac: MAC, user: { backend: "passt", forwards: [WEB] } }));
    const taken = takenFrom(xml, { kvm: false, emulator: "/usr/bin/qemu", firmwares: [] }, from);
    expect(cardsOf(taken.xml)).toMatchObject([{ mac: MAC, user: { backend: "qemu", forwards: [] } }]);
    expect(taken.leftOut).toEqual([]);
  });
});

test("a port is free, taken, or at no address of this host", async () => {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port: host } = server.address() as { port: number };
  const forward: Forward = { ...WEB, host };
  expect(await tryListening(forward)).toBe("taken");
  expect(await tryListening({ ...forward, address: "0.0.0.0" })).toBe("taken");
  expect(await tryListening({ ...forward, address: "203.0.113.7" })).toBe("no-address");
  expect(await tryListening({ ...forward, protocol: "udp" })).toBe("free");
  await new Promise((closed) => server.close(closed));
  expect(await tryListening(forward)).toBe("free");
});
