/** What core asks of qemu-img and of the headers of image files. */
import type { AskedFile, ChainFile, DataPlace, Extent, ImageFile, ImageInfo, KnownChain } from "../model/host.ts";

/**
 * Disk images. What an encrypted one is opened with is libvirt's to say: with `secret`, libvirt is asked for it.
 * Everything may throw EstratoError.
 */
export interface ImagePort {
  /**
   * Null where there is no such file. `shared`: a running guest may have it open (-U). Without it, the image lock must
   * be free: "conflict" otherwise.
   */
  imageInfo(path: string, options?: { readonly shared?: boolean; readonly format?: string }): Promise<ImageInfo | null>;
  /**
   * The file and all that it stands on, as the headers say it, top first; [] where it is not there. Where the last is
   * of another format than qcow2, or not there (its `identity` is null), no more is known. "host" where one cannot be
   * read; "integrity" where one stands on itself. `known`: what was read of this host already, and is not read again.
   */
  imageChain(path: string, format: string, known?: KnownChain): Promise<ChainFile[]>;
  /**
   * The extents that the file itself holds, not what it stands on. A running guest may have it open. `only`: without
   * those that read as zeros, which take no room. Throws WrongPassphrase.
   */
  ownExtents(image: AskedFile, only?: "data"): Promise<Extent[]>;
  /** Reads the header of a file from outside, trusting nothing (LIBVIRT.md, trap 9). "host" where it is refused. */
  inspectUntrusted(path: string, format: "qcow2" | "raw" | null): Promise<ImageInfo>;
  /**
   * The same of a qcow2 file in somebody else's store, which must stand on `backing` (a qcow2 file) or, with null, on
   * nothing. "host" where it does not.
   */
  readSharedLayer(path: string, backing: string | null, encrypted?: boolean): Promise<ImageInfo>;
  /** What a new qcow2 file with the content of this one (and of all it stands on) takes at most. */
  convertedBytes(image: ImageFile): Promise<number>;
  /**
   * Faults in the tables of a qcow2 file: data beyond its end, crossed references. Its header must have been inspected.
   * `alone`: it is opened without what it stands on, of which nobody need have looked at anything.
   */
  countFaults(image: Omit<ImageFile, "format"> & { readonly alone?: boolean }): Promise<number>;
  /** "host", with the package, where virt-sysprep(1) is not installed. */
  requireSysprep(): Promise<void>;
  /** Does qemu-img find the two contents equal? */
  sameContent(a: ImageFile, b: ImageFile): Promise<boolean>;
  /**
   * Where in a qcow2 file itself the data lies that it holds, uncompressed: by what the guest sees, and by the file's
   * own bytes. Throws WrongPassphrase.
   */
  dataPlaces(image: Omit<AskedFile, "format">): Promise<DataPlace[]>;
}
