/** What libvirt and guests answer, read. */
import { describe, expect, test } from "vitest";
import { parseInterfaces } from "../../../src/host/agent.ts";
import { maxChainOf, nameStartBytesOf, parseCapabilities } from "../../../src/host/capabilities.ts";
import { parseList } from "../../../src/host/domain-list.ts";
import { parseDominfo, parseState } from "../../../src/host/domain-status.ts";
import { parseDefinition } from "../../../src/host/domain-xml.ts";
import { mostMemory, parseMostVcpus } from "../../../src/host/machine-limits.ts";
import { leaseSeconds, parseLeases, parseNetwork } from "../../../src/host/networks.ts";
import { resolvePools } from "../../../src/host/pools.ts";
import type { Virsh } from "../../../src/host/virsh.ts";

test("the list joins names and states, blanks at their ends too, and leaves out what came or went in between", () => {
  const list = [
    "e8c9cd3d-f6ad-4faa-b93e-df5a83434386 d1",
    "00000000-0000-4000-8000-000000000001 a 'b'  c",
    "00000000-0000-4000-8000-000000000002 new",
    "00000000-0000-4000-8000-000000000003 d1 ",
    "00000000-0000-4000-8000-000000000004  d1",
    "00000000-0000-4000-8000-000000000005   ",
    "00000000-0000-4000-8000-000000000006 x'\u2028Domain: 'd1",
  ].join("\n");
  const stats =
    "Domain: 'd1'\n  state.state=1\n  state.reason=1\n\nDomain: 'a 'b'  c'\n  state.state=5\n\nDomain: 'gone'\n  state.state=3\n" +
    "\nDomain: 'd1 '\n  state.state=5\n\nDomain: ' d1'\n  state.state=3\n\nDomain: '  '\n  state.state=5\n" +
    "\nDomain: 'x'\u2028Domain: 'd1'\n  state.state=5\n";
  expect(parseList(list, stats)).toEqual([
    { uuid: "e8c9cd3d-f6ad-4faa-b93e-df5a83434386", name: "d1", state: "running" },
    { uuid: "00000000-0000-4000-8000-000000000001", name: "a 'b'  c", state: "shutoff" },
    { uuid: "00000000-0000-4000-8000-000000000003", name: "d1 ", state: "shutoff" },
    { uuid: "00000000-0000-4000-8000-000000000004", name: " d1", state: "paused" },
    { uuid: "00000000-0000-4000-8000-000000000005", name: "  ", state: "shutoff" },
    { uuid: "00000000-0000-4000-8000-000000000006", name: "x'\u2028Domain: 'd1", state: "shutoff" },
  ]);
});

test("the file of a pool's volume has the blanks that its name ends with", async () => {
  const answers = ["<pool type='dir'/>", "/pool/disk \n\n"].map((text) => ({ text, error: null }));
  const virsh = { batch: async () => answers } as unknown as Virsh;
  const definition = parseDefinition(
    "<domain><name>a</name><uuid>e8c9cd3d-f6ad-4faa-b93e-df5a83434386</uuid><memory>1</memory><devices>" +
      "<disk type='volume'><source pool='p' volume='disk '/><target dev='vda'/></disk></devices></domain>",
  );
  const [found] = await resolvePools(virsh, [definition]);
  expect(found?.disks[0]?.source).toBe("/pool/disk ");
});

test("a state has a reason", () => {
  expect(parseState("shut off (saved)\n")).toEqual({ state: "shutoff", reason: "saved" });
  expect(parseState("running (booted)")).toEqual({ state: "running", reason: "booted" });
  expect(parseState("paused")).toEqual({ state: "paused", reason: "" });
  expect(() => parseState("asleep (deeply)")).toThrow("not a state");
  expect(() => parseState("constructor")).toThrow("not a state");
  expect(() => parseState(`shut${" ".repeat(20_000)}x`)).toThrow("not a state"); // and ends
});

test("a machine has the vCPUs of its type at most, and all memory and swap unless the kernel refuses nothing", () => {
  expect(parseMostVcpus("<domainCapabilities><vcpu max='288'/></domainCapabilities>")).toBe(288);
  expect(parseMostVcpus("<domainCapabilities/>")).toBeNull();
  const meminfo = "MemTotal:       1000 kB\nMemFree:        2 kB\nSwapTotal:        24 kB\n";
  expect(mostMemory({ meminfo, overcommit: "0\n" })).toBe(2 ** 20);
  expect(mostMemory({ meminfo, overcommit: "1\n" })).toBeNull();
  expect(mostMemory({ meminfo: "", overcommit: "" })).toBeNull();
});

test("dominfo says what else there is to know", () => {
  const text = "Persistent:     yes\nAutostart:      enable\nManaged save:   no\n";
  expect(parseDominfo(text)).toEqual({ persistent: true, autostart: true, managedSave: false });
});

test("a guest may say anything of its addresses, and only addresses pass", () => {
  const answer = [
    { name: "lo", "ip-addresses": [{ "ip-address": "127.0.0.1" }, { "ip-address": "::1" }] },
    { name: "eth0", "ip-addresses": [{ "ip-address": "fe80::1" }, { "ip-address": "2001:db8::5" }] },
    {
      name: "eth1",
      "ip-addresses": [{ "ip-address": "192.168.122.5" }, { "ip-address": "\u001b[2J" }, { "ip-address": 7 }],
    },
    { name: "eth2" },
    null,
  ];
  expect(parseInterfaces(answer)).toEqual(["192.168.122.5", "2001:db8::5"]);
  expect(parseInterfaces("nonsense")).toEqual([]);
});

describe("a network", () => {
  const xml = `<network connections='1'>
  <name>default</name>
  <forward/>
  <bridge name='virbr0'/>
  <ip family='ipv6' address='fd00::1' prefix='64'><dhcp><range start='fd00::2' end='fd00::9'/></dhcp></ip>
  <ip address='192.168.122.1' netmask='255.255.254.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.123.254'/>
      <host mac='52:54:00:AA:00:01' name='web1' ip='192.168.122.7'/>
      <host mac='52:54:00:aa:00:02' ip='192.168.122.8'/>
    </dhcp>
  </ip>
</network>`;

  test("has a range, a gateway and reservations", () => {
    expect(parseNetwork(xml)).toEqual({
      name: "default",
      mode: "nat",
      bridge: "virbr0",
      dhcp: { start: "192.168.122.2", end: "192.168.123.254", gateway: "192.168.122.1", prefix: 23 },
      reservations: [
        { mac: "52:54:00:aa:00:01", ip: "192.168.122.7", name: "web1" },
        { mac: "52:54:00:aa:00:02", ip: "192.168.122.8", name: null },
      ],
    });
    expect(parseNetwork("<network><name>bridged</name></network>").dhcp).toBeNull();
  });

  test("has leases, of IPv4", () => {
    // Recorded: `virsh -q net-dhcp-leases default` of libvirt 9.0
    const text = ` 2025-11-20 13:05:33   52:54:00:e5:00:42   ipv4       192.168.122.66/24   guest      ff:00:e5:00:42:00:01:00:01
 2025-11-20 13:05:33   52:54:00:e5:00:43   ipv6       fd00::5/64   -      -
`;
    const found = { mac: "52:54:00:e5:00:42", ip: "192.168.122.66" };
    expect(parseLeases(text, null)).toEqual([{ ...found, givenAt: null }]);
    const givenAt = new Date("2025-11-20T12:05:33").toISOString();
    expect(parseLeases(text, leaseSeconds(xml))).toEqual([{ ...found, givenAt }]);
  });

  test("leases last an hour, or as long as it says; where that differs, nobody knows how long", () => {
    const range = (lease: string) =>
      `<network><ip><dhcp><range start='1' end='2'>${lease}</range></dhcp></ip></network>`;
    expect(leaseSeconds(xml)).toBe(3600);
    expect(leaseSeconds(range("<lease expiry='2' unit='hours'/>"))).toBe(7200);
    expect(leaseSeconds(range("<lease expiry='5'/>"))).toBe(300);
    expect(leaseSeconds(range("<lease expiry='0'/>"))).toBeNull();
    expect(leaseSeconds(range("<lease expiry='5'/><lease expiry='6'/>"))).toBeNull();
  });
});

describe("capabilities", () => {
  const capabilities = (kvm: boolean) => `<capabilities><host><cpu><arch>x86_64</arch></cpu>
  <secmodel><model>none</model><doi>0</doi></secmodel>
  <secmodel><model>dac</model><doi>0</doi><baselabel type='kvm'>+64055:+64055</baselabel></secmodel></host>
  <guest><os_type>hvm</os_type><arch name='i686'><emulator>/usr/bin/qemu-system-i386</emulator></arch></guest>
  <guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/usr/bin/qemu-system-x86_64</emulator>
  <machine maxCpus='255'>pc-i440fx-7.2</machine><machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>
  <machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>
  <domain type='qemu'/>${kvm ? "<domain type='kvm'/>" : ""}</arch></guest></capabilities>`;
  const version = "Using library: libvirt 9.0.0\nRunning hypervisor: QEMU 7.2.22\nRunning against daemon: 9.0.0\n";

  test("tell the machine, the emulator, the versions and QEMU's user", () => {
    expect(parseCapabilities({ version, capabilities: capabilities(false), cpuinfo: "", ownUid: 0 })).toEqual({
      kvm: false,
      arch: "x86_64",
      machine: "q35",
      machines: ["pc-i440fx-7.2", "pc", "q35", "pc-q35-7.2"],
      emulator: "/usr/bin/qemu-system-x86_64",
      qemuUser: { uid: 64055, gid: 64055 },
      libvirtVersion: "9.0.0",
      qemuVersion: "7.2.22",
      nameStartBytes: 33,
      maxChain: 128,
    });
  });

  test("bound the bytes of a name by the path of the agent's socket, of the system's libvirt", () => {
    expect(["9.0.0", "11.3.0"].map(nameStartBytesOf)).toEqual([33, 51]);
    const [at9, at11] = ["/var/lib/libvirt/qemu/channel/target/domain-999999-", "/run/libvirt/qemu/channel/999999-"];
    for (const [path, most] of [
      [at9, 33],
      [at11, 51],
    ] as const)
      expect(`${path}${"x".repeat(most)}/org.qemu.guest_agent.0`).toHaveLength(107);
    const told = { version, capabilities: capabilities(false), cpuinfo: "" };
    expect(parseCapabilities({ ...told, ownUid: 64055 }).nameStartBytes).toBeUndefined();
  });

  test.each([
    [0, undefined],
    [1000, true],
    [64055, undefined],
  ])("say for user %i whether libvirt takes what is that user's", (ownUid, takesFiles) => {
    const told = { version, capabilities: capabilities(false), cpuinfo: "", ownUid };
    expect(parseCapabilities(told).takesFiles).toBe(takesFiles);
  });

  test("trust /dev/kvm only where the processor shows virtualization too", () => {
    const told = { version, capabilities: capabilities(true), ownUid: 64055 };
    expect(parseCapabilities({ ...told, cpuinfo: "flags\t\t: fpu vmx sse\n" })).toMatchObject({
      kvm: true,
      qemuUser: null,
    });
    expect(parseCapabilities({ ...told, cpuinfo: "flags\t\t: fpu vmxx sse\n" }).kvm).toBe(false);
  });

  test("bound a chain where libvirt cannot start longer ones", () => {
    expect(["9.0.0", "10.7.0", "10.8.0", "11.3.0", "11.10.0", "12.0.0"].map(maxChainOf)).toEqual([
      128, 128, 24, 24, 24, 128,
    ]);
  });
});
