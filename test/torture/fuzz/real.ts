/** The real qemu-img, and in a test host the built program: a few inputs a second. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { createHost } from "../../../src/host/index.ts";
import { EXIT_CODES } from "../../../src/ui/errors.ts";
import { changedImage, scratchFile } from "./images.ts";
import { type Kind, kind } from "./kind.ts";
import { requireNoEscape } from "./lines.ts";
import { refusing, requireLine, Wrong } from "./oracle.ts";

const host = createHost({ uri: "test:///default", env: process.env });

/** What we say of a file from outside is what QEMU will find in it; and what QEMU says of any file can be read. */
export const qemuImg = kind(
  "qemu-img",
  changedImage,
  async (bytes) => {
    const path = scratchFile("real");
    writeFileSync(path, bytes);
    const facts = await refusing(() => host.inspectUntrusted(path, null));
    const format = facts?.format ?? "qcow2";
    const said = await refusing(() => host.imageInfo(path, { format }));
    await refusing(() => host.countFaults({ path }));
    await refusing(() => host.ownExtents({ path, format }));
    if (facts === null || said === null) return;
    if (said.backing !== null) throw new Wrong(`QEMU opens ${said.backing} below what was let in`);
    if (said.virtualSizeBytes !== facts.virtualSizeBytes)
      throw new Wrong(`a disk of ${facts.virtualSizeBytes} bytes, which is one of ${said.virtualSizeBytes} to QEMU`);
  },
  0,
);

/** Null outside of a test host: this makes a store, and asks libvirt. */
export const program: Kind | null =
  process.env.ESTRATO_BED_DIR === undefined ? null : kind("program", fc.tuple(changedImage, fc.boolean()), imported, 0);

/** doctor wants one. */
let hasStore = false;
const CODES = new Set([0, ...Object.values(EXIT_CODES)]);

async function imported([bytes, isNamed]: [Buffer, boolean]): Promise<void> {
  const { runInProcess } = await import("../../e2e/in-process.ts");
  const folder = join(process.env.ESTRATO_BED_DIR ?? "", "fuzz");
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const file = join(folder, "image");
  writeFileSync(file, bytes);
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await runInProcess(words, { ESTRATO_HOME: join(folder, "store") });
    for (const line of stderr.split(/(?<=\n)/).filter(Boolean)) requireLine(line);
    if (!CODES.has(code ?? -1) || /^estrato: unexpected[: (]|fault in estrato/m.test(stderr))
      throw new Wrong(`exit ${code}: ${stderr}`);
    return { code, said: `${stdout}${stderr}` };
  };
  if (!hasStore) hasStore = (await run("keypair", "create", "mine")).code === 0;
  const how = isNamed ? ["--disk-format", "qcow2"] : [];
  if ((await run("image", "create", "one", "--file", file, ...how)).code === 0) {
    if ((await run("volume", "create", "of-it", "--image", "one")).code === 0)
      await run("volume", "delete", "of-it", "-y");
    if ((await run("image", "delete", "one", "-y")).code !== 0) throw new Wrong("what was taken cannot be deleted");
  }
  const { code, said } = await run("doctor");
  if (code !== 0) throw new Wrong(`doctor finds afterwards: ${said}`);
  requireNoEscape();
}
