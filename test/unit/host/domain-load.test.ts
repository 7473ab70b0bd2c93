import { expect, test } from "vitest";
import { parseLoads } from "../../../src/host/domain-load.ts";

const LIST = "11111111-2222-4333-8444-555555555555 web 1\n11111111-2222-4333-8444-666666666666 db1\n\n";
/** Of Debian 12, shortened. */
const STATS = `Domain: 'web 1'
  state.state=1
  cpu.time=5120000000
  balloon.current=262144
  balloon.available=250000
  balloon.unused=100000
  balloon.usable=150000
  vcpu.current=2
  net.count=2
  net.0.name=vnet0
  net.0.rx.bytes=1000
  net.0.tx.bytes=10
  net.1.rx.bytes=1
  net.1.tx.bytes=2
  block.count=2
  block.0.name=vda
  block.0.rd.bytes=4096
  block.0.wr.bytes=512
  block.1.rd.bytes=100
  block.1.wr.bytes=0

Domain: 'db1'
  state.state=1
  cpu.time=1
  balloon.current=1024
  vcpu.current=1

Domain: 'came just now'
  cpu.time=1
`;

test("domstats is read: sums over disks and networks, and the balloon's word where there is one", () => {
  expect(parseLoads(LIST, STATS)).toEqual([
    {
      uuid: "11111111-2222-4333-8444-555555555555",
      name: "web 1",
      vcpus: 2,
      cpuNs: 5_120_000_000,
      ramBytes: 256 * 2 ** 20,
      usedBytes: 100_000 * 1024,
      readBytes: 4196,
      writtenBytes: 512,
      receivedBytes: 1001,
      sentBytes: 12,
    },
    {
      uuid: "11111111-2222-4333-8444-666666666666",
      name: "db1",
      vcpus: 1,
      cpuNs: 1,
      ramBytes: 2 ** 20,
      usedBytes: null,
      readBytes: 0,
      writtenBytes: 0,
      receivedBytes: 0,
      sentBytes: 0,
    },
  ]);
});
