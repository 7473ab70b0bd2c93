/** What a store refuses that QEMU cannot enter, or whose files libvirt would take: the table of estrato-users(7). */
import { expect, test } from "vitest";
import type { Bed } from "../core/world.ts";
import { TARGET } from "../core/world.ts";
import { estate, run } from "./estate.ts";

/** A member of the group libvirt, who is not root, on the system's libvirt. */
function ofGroup({ machine }: Bed): void {
  machine.capabilities = { ...machine.capabilities, takesFiles: true };
}

/** The store lies in a home that nobody else may enter. */
function closed({ machine }: Bed): void {
  machine.closed.add("/fake");
  machine.users.push({ name: "libvirt-qemu", uid: 64055, home: "/var/lib/libvirt" });
}

/** A line that makes what QEMU is to open. */
const MAKE = [
  "instance create x --image debian12 --vcpus 1 --ram 64M --network none",
  "instance create x --snapshot web1/first --vcpus 1 --ram 64M --network none --no-start",
  "image create x --from-instance web1",
  "image create x --from-snapshot web1/first",
  "volume create x --size 1M",
  "volume create x --from-snapshot data1/monday",
  "snapshot create web1 x",
  "snapshot create legacy x",
  "snapshot revert web1/first",
  "instance adopt legacy",
  "unshelve put-by",
  `backup restore nightly --instance x --network none --target ${TARGET}`,
];

/** Neither looks at these: what is there is seen, stopped, kept elsewhere and given up, whoever may open it. */
const STILL = [
  "instance list",
  "instance show web1",
  "instance stop web1 --force",
  "instance pause web1",
  "snapshot list",
  "snapshot show web1/first",
  "snapshot create web2 x",
  "snapshot create --volume data1 x",
  "snapshot delete web2/first",
  "volume list",
  "volume delete data1 -y",
  "image list",
  "image show debian12",
  `backup web2 --rotation 3 --target ${TARGET}`,
  `backup list --target ${TARGET}`,
  "instance delete web1 -y",
  "flavor create mini --vcpus 1 --ram 64M --disk 1M",
  "usage",
  "event list",
];

const everything = ({ machine, disk }: Bed) =>
  JSON.stringify([[...machine.files], [...machine.domains], disk.state, [...disk.journal]], (_, value) =>
    value instanceof Map ? [...value] : value,
  );

test.each(MAKE)("%s: refused, with nothing made, where QEMU cannot enter or would keep the files", async (line) => {
  for (const options of ["", "--dry-run "]) {
    const [theirs, behind] = [await estate(), await estate()];
    ofGroup(theirs);
    closed(behind);
    for (const [on, says] of [
      [theirs, "would take the store's files away from you. Use a libvirt of your own (--connect qemu:///session), or"],
      [behind, "/fake: QEMU's user libvirt-qemu may not pass through it, and the store lies below. Open the way: "],
    ] as const) {
      const before = everything(on);
      const { exit, stderr } = await run(on, options + line);
      expect({ exit, stderr }).toEqual({ exit: 6, stderr: expect.stringContaining(says) });
      expect(everything(on)).toBe(before);
    }
  }
});

test.each(STILL)("%s: done all the same", async (line) => {
  for (const so of [ofGroup, closed]) {
    const on = await estate();
    so(on);
    expect(await run(on, line)).toMatchObject({ exit: 0 });
  }
});

test("the command that opens the way names the folder and QEMU's user, or everybody where no user is known", async () => {
  const on = await estate();
  closed(on);
  const line = "volume create x --size 1M";
  expect((await run(on, line)).stderr).toContain("Open the way: setfacl -m u:libvirt-qemu:x /fake.");
  on.machine.users = [];
  expect((await run(on, line)).stderr).toContain("Open the way: chmod o+x /fake.");
  on.machine.closed.clear();
  expect(await run(on, line)).toMatchObject({ exit: 0 });
});
