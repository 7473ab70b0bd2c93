/** Which guides a page leads to. */

/** In the order in which somebody who is new would read them. */
const GUIDES = [
  "estrato-tutorial(7)",
  "estrato-concepts(7)",
  "estrato-coming-from(7)",
  "estrato-cron(7)",
  "estrato-classroom(7)",
  "estrato-users(7)",
  "estrato-backup(7)",
  "estrato-recovery(7)",
  "estrato-store(5)",
] as const;
type Guide = (typeof GUIDES)[number];

/** By noun or verb; what is not here leads to the concepts. */
const OF: Readonly<Record<string, readonly Guide[]>> = {
  backup: ["estrato-backup(7)", "estrato-recovery(7)", "estrato-cron(7)"],
  check: ["estrato-cron(7)", "estrato-recovery(7)"],
  config: ["estrato-users(7)", "estrato-store(5)"],
  doctor: ["estrato-recovery(7)", "estrato-store(5)"],
  event: ["estrato-recovery(7)", "estrato-store(5)"],
  image: ["estrato-tutorial(7)", "estrato-concepts(7)", "estrato-users(7)"],
  instance: ["estrato-tutorial(7)", "estrato-concepts(7)", "estrato-coming-from(7)"],
  keypair: ["estrato-tutorial(7)"],
  network: ["estrato-tutorial(7)", "estrato-users(7)"],
  schedule: ["estrato-cron(7)", "estrato-backup(7)"],
  usage: ["estrato-concepts(7)", "estrato-store(5)"],
  wait: ["estrato-cron(7)"],
};

/** For the page of the program: every guide, and what it stands on. */
export function everyGuide(): string {
  return [...GUIDES, "virsh(1)", "qemu-img(1)"].join(", ");
}

/** For the page of a noun or of a verb that stands alone. */
export function seeAlso(name: string): string {
  return ["estrato(1)", ...(OF[name] ?? ["estrato-concepts(7)"])].join(", ");
}
