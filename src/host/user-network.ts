/** What serves a network that needs no root. */
import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { UserBackend } from "../core/model/host.ts";
import type { Virsh } from "./virsh.ts";
import { attribute, childNamed, childrenNamed, readXml } from "./xml.ts";

/**
 * passt where libvirt offers it, it is installed, and this machine has a way out: without a default route passt gives
 * its guest no address (measured), while QEMU's own network is there all the same. Null where there is neither.
 */
export async function userBackend(virsh: Virsh, path: string): Promise<UserBackend | null> {
  const offered = offeredBackends(await virsh.output(["domcapabilities"]));
  const route = await readFile("/proc/net/route", "utf8").catch(() => "");
  if (offered.includes("passt") && hasDefaultRoute(route) && (await isInstalled("passt", path))) return "passt";
  return offered.includes("qemu") ? "qemu" : null;
}

/**
 * Reads `virsh domcapabilities`: libvirt 9.0 (Debian 12) says nothing of it, and refuses `<backend type='passt'/>`;
 * 11.3 names "default" (QEMU's own) and "passt".
 */
export function offeredBackends(xml: string): UserBackend[] {
  const devices = childNamed(readXml(xml, "domainCapabilities"), "devices");
  const network = devices === null ? null : childNamed(devices, "interface");
  if (network === null) return ["qemu"];
  const kinds = childrenNamed(network, "enum").find((one) => attribute(one, "name") === "backendType");
  const words = (kinds ? childrenNamed(kinds, "value") : []).map((one) => one.textContent);
  return [
    ...(words.includes("default") ? ["qemu" as const] : []),
    ...(words.includes("passt") ? ["passt" as const] : []),
  ];
}

/** Reads /proc/net/route: interface, destination and gateway, as hexadecimal numbers. */
export function hasDefaultRoute(text: string): boolean {
  return text.split("\n").some((line) => /^\S+\t00000000\t(?!00000000)/.test(line));
}

async function isInstalled(program: string, path: string): Promise<boolean> {
  for (const folder of path.split(delimiter).filter((one) => one !== "")) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
