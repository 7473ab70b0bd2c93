import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createHost } from "../../../src/host/index.ts";

/** As virt-sysprep 1.48 says that the appliance could not be made. */
const SAID = `virt-sysprep: error: libguestfs error: /usr/bin/supermin exited with error status 1.
To see full error messages you may need to enable debugging.

If reporting bugs, run virt-sysprep with debugging enabled and include the complete output:

  virt-sysprep -v -x [...]
`;

test("what virt-sysprep could not do is said in its own words", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const host = createHost({ uri: "test:///default", env: { ...process.env, PATH: `${folder}:${process.env.PATH}` } });
  const act = () => host.perform({ do: "sysprep", disks: ["/a"], mayStop: true });
  const say = (text: string, exit: number) =>
    writeFileSync(join(folder, "virt-sysprep"), `#!/bin/sh\ncat >&2 <<END\n${text}END\nexit ${exit}\n`, {
      mode: 0o755,
    });
  say(SAID, 1);
  await expect(act()).rejects.toMatchObject({
    code: "host",
    message: "virt-sysprep: libguestfs error: /usr/bin/supermin exited with error status 1",
    hint: expect.stringContaining("libguestfs-test-tool"),
  });
  say("", 0);
  await act();
});
