/** Names as long as they may be, in letters of four bytes: what the file system does not bear is refused before. */
import { expect, test } from "vitest";
import { command } from "../core/world.ts";
import { estate, run } from "./estate.ts";

const LONGEST = "😀".repeat(128);
/** Of a file's name, on Linux's file systems. */
const NAME_MAX = 255;

const MADE = [
  `snapshot create web1 ${LONGEST}`,
  `snapshot create --volume data1 ${LONGEST}`,
  `volume create ${LONGEST} --size 1M`,
  `image create ${LONGEST} --from-instance web2`,
  `image create ${LONGEST} --from-snapshot web1/first`,
  `image create ${LONGEST} --from-volume data1`,
  `flavor create ${LONGEST} --vcpus 1 --ram 1G --disk 1G`,
  `keypair create ${LONGEST}`,
  `backup web2 --rotation 9 --target /backups --name ${LONGEST}`,
  `backup web2 --rotation 9 --target /backups --type ${LONGEST}`,
  `schedule create ${LONGEST} --snapshot web1 --cron 0·3·*·*·* --rotation 2`,
  `backup restore web1/nightly --volume ${LONGEST} --disk vda --target /backups`,
];

test.each(MADE)("%s: is made, and no file has a name that is too long", async (line) => {
  const on = await estate();
  const made = await run(on, line);
  expect(made, made.stderr.slice(-200)).toMatchObject({ exit: 0 });
  const records = [...on.disk.records.keys()];
  const files = [...on.machine.files.keys(), ...on.machine.folders, ...records];
  const names = files.flatMap((path) => path.split("/"));
  expect(names.filter((name) => Buffer.byteLength(name) > NAME_MAX)).toEqual([]);
});

const REFUSED = [
  `instance create ${LONGEST} --image debian12`,
  `instance create ${"é".repeat(124)} --image debian12`,
  `instance create ${"é".repeat(123)} --count 2 --image debian12`,
  `instance set web2 --name ${LONGEST}`,
  `backup restore web1/nightly --instance ${LONGEST} --target /backups`,
];

test.each(REFUSED)("%s: is refused in our words, and nothing is made", async (line) => {
  const on = await estate();
  const before = JSON.stringify([on.disk.state, [...on.machine.files.keys()]]);
  const { exit, stderr, stdout } = await run(on, line);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
  expect(stderr).toMatch(
    /^estrato: instance name "[^\n]+": it takes more than 247 bytes, and libvirt makes files of that name\. [^\n]+\n$/,
  );
  expect(JSON.stringify([on.disk.state, [...on.machine.files.keys()]])).toBe(before);
});

const TOO_LONG = "x".repeat(129);

test.each([...MADE, ...REFUSED.slice(0, 1)].map((line) => line.replaceAll(LONGEST, TOO_LONG)))(
  "%s: one letter too many",
  async (line) => {
    const { exit, stderr } = await run(await estate(), line);
    expect(exit).toBe(2);
    expect(stderr).toMatch(/^estrato: [a-z ]+ name "x{129}": it is longer than 128 characters\. [^\n]+\n$/);
  },
);

test("an instance of the longest name that there is lives with all that is made of it", async () => {
  const on = await estate();
  const name = "é".repeat(123);
  for (const line of [
    `instance create ${name} --image debian12`,
    `snapshot create ${name}`,
    `shelve ${name}`,
    `unshelve ${name}`,
    `instance delete ${name} -y`,
  ]) {
    const { exit, stderr } = await run(on, line, { host: command(on).host });
    expect(exit, stderr.slice(-200)).toBe(0);
  }
});
