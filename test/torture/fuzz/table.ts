/** All kinds. */
import { answers } from "./answers.ts";
import { argv } from "./argv.ts";
import { definitions } from "./definitions.ts";
import { adopted, userData } from "./guest-lines.ts";
import { agent, leases } from "./guests.ts";
import { images } from "./images.ts";
import type { Kind } from "./kind.ts";
import { journal, kept, state, things } from "./own.ts";
import { filters, query } from "./query.ts";
import { program, qemuImg } from "./real.ts";
import { settings } from "./settings.ts";
import { shared, targets } from "./stored.ts";
import { virsh } from "./virsh.ts";
import { cron, keys, names, networks, sizes } from "./words.ts";

export const KINDS: readonly Kind[] = [
  names,
  sizes,
  networks,
  keys,
  cron,
  query,
  filters,
  settings,
  agent,
  leases,
  answers,
  virsh,
  definitions,
  images,
  argv,
  userData,
  adopted,
  targets,
  shared,
  state,
  journal,
  kept,
  things,
  qemuImg,
  ...(program === null ? [] : [program]),
];
