/** What virsh tells of the block job of a disk. */

/** A job on a disk as `blockjob --info --raw` tells it. */
export interface BlockJob {
  readonly type: string;
  readonly fraction: number;
}

/** Null where the disk has no job. libvirt shows a total of 0 or 1 while it does not know yet. */
export function parseBlockJob(text: string): BlockJob | null {
  const value = (key: string) => new RegExp(`^\\s*${key}=(.*)$`, "m").exec(text)?.[1];
  const type = value("type");
  if (type === undefined) return null;
  const end = Number(value("end") ?? 0);
  return { type, fraction: end > 0 ? Math.min(1, Number(value("cur") ?? 0) / end) : 0 };
}

/** The words that ask for it. */
export function blockJobWords(domain: string, device: string): string[] {
  return ["blockjob", "--domain", domain, device, "--info", "--raw"];
}
