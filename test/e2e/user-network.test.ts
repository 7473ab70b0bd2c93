/**
 * A network that needs no root, on real guests of users: both that can serve it. (On Debian 12, whose libvirt knows no
 * passt, users.test.ts has one of QEMU's own.)
 */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { sure } from "./processes.ts";
import { guestImage } from "./rig.ts";
import { makeUsers, type User } from "./users.ts";

let alice: User;
let bob: User;
const guestFile = join(process.env.ESTRATO_BED_DIR as string, "guest.qcow2");

/** A way out, without which passt would not be chosen: it leads nowhere. */
const WAY_OUT = [
  "ip link add up0 type veth peer name up1",
  "ip address add 10.9.9.2/24 dev up0",
  "ip link set up0 up",
  "ip link set up1 up",
  "ip route add default via 10.9.9.1",
];

beforeAll(async () => {
  [alice, bob] = (await makeUsers("alice", "bob")) as [User, User];
  copyFileSync(guestImage, guestFile);
  await sure("chmod", "644", guestFile);
  for (const user of [alice, bob]) {
    await user.ok("image", "create", "base", "--file", guestFile);
    await user.makeKey();
  }
});

interface Shown {
  readonly networks: string[];
  readonly forwards: { readonly host_port: number; readonly guest_port: number }[];
}

const ON = ["--image", "base", "--network", "user", "--key-name", "key"];
const shown = async (user: User): Promise<Shown> => JSON.parse(await user.ok("instance", "show", "web1", "-f", "json"));
const virsh = (user: User, ...args: string[]) => user.run("virsh", "-q", "-c", "qemu:///session", ...args);
const sane = async (user: User) => expect(JSON.parse(await user.ok("doctor", "-f", "json"))).toEqual([]);

/** What an ssh server says first, at a port of this host. */
const greeting = async (user: User, port: number) => {
  const line = `head -c 4 < /dev/tcp/127.0.0.1/${port}`;
  return (await user.run("timeout", "60", "bash", "-c", `until ${line}; do sleep 0.2; done 2> /dev/null`)).stdout;
};

describe.each([
  ["qemu", () => bob, [], 8080],
  ["passt", () => alice, WAY_OUT, 9080],
] as const)("served by %s", (backend, who, first, port) => {
  it("leads to the guest, also when it was stopped, reverted to its memory, or shelved", async () => {
    for (const line of first) await sure("sh", "-c", line);
    const user = who();
    await user.create("web1", ...ON, "--forward", `${port}:80`);
    expect((await virsh(user, "dumpxml", "web1")).stdout.includes("<backend type='passt'")).toBe(backend === "passt");
    expect(await user.ssh("web1", "hostname")).toBe("web1");
    const { networks, forwards } = await shown(user);
    expect(networks).toEqual(["user"]);
    expect(forwards.map(({ guest_port }) => guest_port)).toEqual([80, 22]);
    await user.ok("snapshot", "create", "web1", "m1", "--memory");
    await user.ok("instance", "set", "web1", "--no-forward", String(port), "--forward", `${port + 1}:22`);
    await user.ok("snapshot", "revert", "web1/m1");
    expect(await greeting(user, port + 1)).toBe("SSH-");
    await sane(user);
    await user.ok("instance", "stop", "web1", "--force");
    await user.ok("shelve", "web1");
    await user.ok("unshelve", "web1");
    await user.ok("instance", "start", "web1");
    expect(await user.ssh("web1", "hostname")).toBe("web1");
    await sane(user);
  });
});

it("is each user's own: two have different ports, and what one has the other is refused", async () => {
  const ports = [...(await shown(alice)).forwards, ...(await shown(bob)).forwards].map(({ host_port }) => host_port);
  expect(new Set(ports).size).toBe(4);
  await alice.refused(5, "instance", "set", "web1", "--forward", "8081:80");
  await alice.refused(2, "instance", "set", "web1", "--forward", "81:80");
  await alice.refused(2, "instance", "set", "web1", "--forward", "http:80");
});

it("of QEMU's own is set again by doctor where another has started the guest", async () => {
  await virsh(bob, "destroy", "web1");
  await virsh(bob, "start", "web1");
  expect((await bob.estrato("doctor")).code).toBe(9);
  await bob.ok("doctor", "--repair");
  expect(await greeting(bob, 8081)).toBe("SSH-");
  await sane(bob);
});
