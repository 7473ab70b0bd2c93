/** What `qemu-img info` says of a qcow2 file, read from its header without a process. */
import type { ImageInfo } from "../core/model/host.ts";
import { readQcow2 } from "./qcow2-file.ts";
import { readBacking } from "./qcow2-header.ts";
import { backingPath } from "./qemu-file-names.ts";

/** Null where only QEMU can tell. A running guest may have it open. */
export async function qcow2Info(path: string): Promise<ImageInfo | null> {
  return readQcow2(path, async ({ header, bytes, allocatedBytes }) => {
    const backing = readBacking(bytes, header);
    if (backing === null && header.backingFileLengthBytes > 0) return null;
    return {
      path,
      format: "qcow2",
      virtualSizeBytes: Number(header.virtualSizeBytes),
      actualSizeBytes: allocatedBytes,
      backing: backing === null ? null : backingPath(path, backing.file),
      backingFormat: backing?.format ?? null,
      encrypted: false,
      dirty: false,
      internalSnapshots: 0,
    };
  });
}
