/** Options of the verbs that wait on a guest: `options: { ...waitOptions, … }`. */
import { choice, duration, flag } from "./options.ts";

export const waitOptions = {
  timeout: duration("give up waiting on the guest after this long (exit 7); what was begun may go on"),
  noWait: flag("return as soon as libvirt has accepted"),
};

/** For what starts a guest. */
export const startOptions = {
  ...waitOptions,
  wait: choice(["address", "agent"], "return only when the guest has an address, or its agent answers"),
};
