/** A guest that boots by OVMF, with NVRAM and an emulated TPM; what it reads and writes of either. */
import { writeFileSync } from "node:fs";
import { type Rig, virsh } from "./rig.ts";

const VARIABLES = "/sys/firmware/efi/efivars";
/** Not the namespace of EFI itself, in which firmware takes only names that it knows. */
const GUID = "5f7d9a3c-6a1e-4a4e-9d0b-3f6a2c1b8e70";

/** Makes `name` from the image `base`, gives it UEFI and a TPM, and starts it. `inBackend`: of the TPM. */
export async function makeUefi(rig: Rig, name: string, inBackend = ""): Promise<void> {
  const shape = ["--vcpus", "1", "--ram", "256M", "--key-name", "k"];
  await rig.ok("instance", "create", name, "--image", "base", ...shape, "--no-start");
  const backend = `<backend type='emulator' version='2.0'>${inBackend}</backend>`;
  const xml = (await virsh("dumpxml", name, "--inactive"))
    .replace("<os>", "<os firmware='efi'><firmware><feature enabled='no' name='secure-boot'/></firmware>")
    .replace("</devices>", `<tpm model='tpm-crb'>${backend}</tpm></devices>`);
  const file = `${rig.folder}/${name}.xml`;
  writeFileSync(file, xml);
  await virsh("define", file);
  await rig.ok("instance", "start", name, "--wait", "agent", "--timeout", "15m");
}

export async function genid(instance: string): Promise<string | undefined> {
  return /<genid>(.*)<\/genid>/.exec(await virsh("dumpxml", instance))?.[1];
}

/** Where libvirt keeps the state of its TPM. */
export async function tpmFile(instance: string): Promise<string> {
  return `/var/lib/libvirt/swtpm/${(await virsh("domuuid", instance)).trim()}/tpm2/tpm2-00.permall`;
}

/** Four bytes of attributes (non-volatile, for boot and runtime), then the content. */
export async function setVariable(rig: Rig, instance: string, name: string): Promise<void> {
  await rig.guest(instance, `printf '\\007\\000\\000\\000%s' ${name} > ${VARIABLES}/${name}-${GUID}; sync`);
}

export async function variables(rig: Rig, instance: string): Promise<string[]> {
  return (await rig.guest(instance, `ls ${VARIABLES} | grep -- -${GUID} | grep ^Mine; true`))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.slice(0, -GUID.length - 1));
}

/** Owner of the TPM, an index of eight bytes, and a session with an empty password (TCG TPM 2.0 library, part 3). */
const OWNER = "40000001";
const INDEX = "01500001";
const SESSION = "00000009" + "40000009" + "0000" + "00" + "0000";
const OWNER_AND_AUTH_MAY_READ_AND_WRITE = "02060006";
const CODES = { define: "0000012a", write: "00000137", read: "0000014e" };

async function tell(rig: Rig, instance: string, code: string, body: string): Promise<Buffer> {
  const bytes = Buffer.from(`8002${(10 + body.length / 2).toString(16).padStart(8, "0")}${code}${body}`, "hex");
  const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
  const line = `exec 3<>/dev/tpm0; printf '${octal}' >&3; dd bs=4096 count=1 <&3 2>/dev/null | base64`;
  return Buffer.from(await rig.guest(instance, line), "base64");
}

function requireDone(answer: Buffer): void {
  if (answer.readUInt32BE(6) !== 0) throw new Error(`the TPM answers ${answer.subarray(6, 10).toString("hex")}`);
}

/** Makes the index, once for each TPM. */
export async function makeTpmIndex(rig: Rig, instance: string): Promise<void> {
  const area = `${INDEX}000b${OWNER_AND_AUTH_MAY_READ_AND_WRITE}00000008`;
  requireDone(await tell(rig, instance, CODES.define, `${OWNER}${SESSION}0000000e${area}`));
}

/** Eight characters. */
export async function writeTpm(rig: Rig, instance: string, word: string): Promise<void> {
  const data = Buffer.from(word).toString("hex");
  requireDone(await tell(rig, instance, CODES.write, `${OWNER}${INDEX}${SESSION}0008${data}0000`));
}

/** Null where this TPM has no such index. */
export async function readTpm(rig: Rig, instance: string): Promise<string | null> {
  const answer = await tell(rig, instance, CODES.read, `${OWNER}${INDEX}${SESSION}00080000`);
  if (answer.readUInt32BE(6) === 0x18b || answer.readUInt32BE(6) === 0x28b) return null; // TPM_RC_HANDLE
  requireDone(answer);
  return answer.subarray(16, 24).toString();
}
