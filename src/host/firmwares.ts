/** The files that libvirt offers as a guest's firmware. Source: libvirt.org/formatdomaincaps.html. */
import type { Virsh } from "./virsh.ts";
import { childAt, childrenNamed, readXml } from "./xml.ts";

/** Of guests of this kind; [] where libvirt does not know the kind. */
export async function firmwaresOf(
  virsh: Virsh,
  { arch, machine }: { readonly arch: string | null; readonly machine: string | null },
): Promise<string[]> {
  const kind = [...(arch === null ? [] : ["--arch", arch]), ...(machine === null ? [] : ["--machine", machine])];
  const [answer] = await virsh.batch([["domcapabilities", ...kind]]);
  return answer === undefined || answer.error !== null ? [] : parseFirmwares(answer.text);
}

/** From the answer of `virsh domcapabilities`. */
export function parseFirmwares(xml: string): string[] {
  const loader = childAt(readXml(xml, "domainCapabilities"), "os", "loader");
  return loader === null ? [] : childrenNamed(loader, "value").map((value) => value.textContent?.trim() ?? "");
}
