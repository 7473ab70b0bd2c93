/**
 * A guest without an operating system, for what is about bytes and libvirt alone: QEMU is up in half a second, where a
 * boot takes many.
 */
import { readFileSync } from "node:fs";
import { sure } from "./processes.ts";
import { type Rig, virsh } from "./rig.ts";

const MIB = 1024 ** 2;
/** Where its one word of 64 KiB lies. */
const AT_MIB = 5;
const WORD_BYTES = 65_536;

export interface Bare {
  readonly name: string;
  /** Fills the word with this byte: as the guest, by its QEMU, or into its file while it is off. */
  write(byte: number): Promise<void>;
  /** The file that it writes to. */
  head(): Promise<string>;
  /** What it reads there now, through the file that libvirt names; throws where the word is torn. */
  read(): Promise<number>;
}

/** A running instance `name`, of an image `bare` of 8 MiB. */
export async function makeBare(rig: Rig, name: string): Promise<Bare> {
  await makeBareImage(rig);
  await rig.ok("instance", "create", name, "--image", "bare", "--vcpus", "1", "--ram", "64M", "--network", "none");
  const head = async () => /\s(\/\S+)/.exec(await virsh("domblklist", name))?.[1] ?? "";
  return {
    name,
    head,
    async write(byte) {
      const line = `write -P ${byte} ${AT_MIB}M ${WORD_BYTES}`;
      if ((await virsh("domstate", name)) !== "running") {
        await sure("qemu-io", "-c", line, await head());
        return;
      }
      for (const command of [line, "flush"]) {
        const disk = "/machine/peripheral/virtio-disk0/virtio-backend";
        const said = await virsh("qemu-monitor-command", name, "--hmp", `qemu-io -d ${disk} "${command}"`);
        if (said.trim() !== "") throw new Error(`${name}: ${command}: ${said}`);
      }
    },
    async read() {
      const raw = `${rig.folder}/${name}.raw`;
      await sure("qemu-img", "convert", "-U", "-O", "raw", await head(), raw);
      const word = readFileSync(raw).subarray(AT_MIB * MIB, AT_MIB * MIB + WORD_BYTES);
      const byte = word[0] ?? -1;
      if (!word.every((one) => one === byte)) throw new Error(`${name}: its word is torn`);
      return byte;
    },
  };
}

/** An image that nothing boots from, unless it is there. */
export async function makeBareImage(rig: Rig): Promise<void> {
  if (Object.values(rig.state().images).some(({ name }) => name === "bare")) return;
  const file = `${rig.folder}/bare.raw`;
  await sure("truncate", "-s", "8M", file);
  await sure("qemu-io", "-f", "raw", "-c", "write -P 17 0 2M", file);
  await rig.ok("image", "create", "bare", "--file", file, "--disk-format", "raw");
}
