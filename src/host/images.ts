/** Disk images, by qemu-img and by their headers: the part of the host that core's ImagePort asks for. */
import type { AskedFile, ChainFile, DataPlace, Extent, ImageFile, ImageInfo, KnownChain } from "../core/model/host.ts";
import type { Processes } from "./process.ts";
import { convertedBytes, countFaults, dataPlaces, imageInfo, ownExtents, sameContent } from "./qemu-img.ts";
import type { Virsh } from "./virsh.ts";

/** What is asked of images; `virsh` for what opens the encrypted ones. */
export function imageHost(processes: Processes, virsh: Virsh, env: NodeJS.ProcessEnv) {
  return {
    imageInfo: (
      path: string,
      how?: { readonly shared?: boolean; readonly format?: string },
    ): Promise<ImageInfo | null> => imageInfo(processes, path, how),
    imageChain: async (path: string, format: string, known?: KnownChain): Promise<ChainFile[]> =>
      (await import("./image-chain.ts")).imageChain(path, format, known),
    ownExtents: (image: AskedFile, only?: "data"): Promise<Extent[]> => ownExtents(processes, virsh, image, only),
    inspectUntrusted: async (path: string, format: "qcow2" | "raw" | null): Promise<ImageInfo> =>
      (await import("./untrusted.ts")).inspectUntrusted(path, format, null, false, true),
    readSharedLayer: async (path: string, backing: string | null, encrypted = false): Promise<ImageInfo> =>
      (await import("./untrusted.ts")).inspectUntrusted(path, "qcow2", backing, encrypted),
    convertedBytes: (image: ImageFile): Promise<number> => convertedBytes(processes, virsh, image),
    countFaults: (image: Omit<ImageFile, "format"> & { readonly alone?: boolean }): Promise<number> =>
      countFaults(processes, virsh, image),
    requireSysprep: async (): Promise<void> => (await import("./sysprep.ts")).requireSysprep(processes, env),
    sameContent: (a: ImageFile, b: ImageFile): Promise<boolean> => sameContent(processes, virsh, a, b),
    dataPlaces: (image: Omit<AskedFile, "format">): Promise<DataPlace[]> => dataPlaces(processes, virsh, image),
  };
}
