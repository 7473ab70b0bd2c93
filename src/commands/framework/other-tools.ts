/**
 * What other tools call it: openstack, aws ec2, CloudStack, virsh, incus, multipass, vagrant, docker, kubectl. For
 * hints alone: these words do nothing here, so that none of them can mean two things one day.
 */

/** A plural is found by its singular. */
const NOUNS: Readonly<Record<string, string>> = {
  server: "instance",
  vm: "instance",
  "virtual-machine": "instance",
  machine: "instance",
  domain: "instance",
  dom: "instance",
  guest: "instance",
  container: "instance",
  disk: "volume",
  vol: "volume",
  snap: "snapshot",
  ami: "image",
  template: "image",
  box: "image",
  iso: "image",
  "key-pair": "keypair",
  key: "keypair",
  "ssh-key": "keypair",
  sshkeypair: "keypair",
  "instance-type": "flavor",
  size: "flavor",
  serviceoffering: "flavor",
  offering: "flavor",
  profile: "flavor",
  job: "schedule",
  cron: "schedule",
  timer: "schedule",
  setting: "config",
  configuration: "config",
  option: "config",
  log: "event",
  history: "event",
  audit: "event",
};

/** Where a tool means one thing and another tool another by a word, both. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  ls: ["list"],
  ps: ["list"],
  find: ["list"],
  status: ["list", "show"],
  rm: ["delete"],
  del: ["delete"],
  remove: ["delete"],
  terminate: ["delete"],
  undefine: ["delete"],
  deregister: ["delete"],
  destroy: ["stop --force", "delete"],
  forget: ["prune"],
  purge: ["prune"],
  add: ["create", "attach"],
  new: ["create"],
  make: ["create"],
  run: ["create"],
  launch: ["create"],
  boot: ["create", "start"],
  deploy: ["create"],
  up: ["create", "start"],
  define: ["create"],
  save: ["create"],
  take: ["create"],
  info: ["show"],
  get: ["show", "list"],
  describe: ["show", "list"],
  inspect: ["show"],
  view: ["show"],
  cat: ["show"],
  edit: ["set"],
  update: ["set"],
  modify: ["set"],
  rename: ["set --name"],
  restore: ["revert"],
  rollback: ["revert"],
  goto: ["revert"],
  undo: ["unrevert"],
  halt: ["stop"],
  shutdown: ["stop"],
  poweroff: ["stop"],
  off: ["stop"],
  kill: ["stop --force"],
  on: ["start"],
  poweron: ["start"],
  restart: ["reboot"],
  reset: ["reboot --hard"],
  suspend: ["pause"],
  freeze: ["pause"],
  unpause: ["resume"],
  unfreeze: ["resume"],
  scale: ["resize"],
  grow: ["resize"],
  extend: ["resize"],
  cp: ["push", "pull"],
  copy: ["push", "pull"],
  shell: ["ssh"],
  connect: ["ssh", "console"],
  logs: ["log"],
  check: ["verify"],
  export: ["save"],
  register: ["create", "import"],
  upload: ["create", "import"],
};

/** Whole commands, of one word or several. */
const COMMANDS: Readonly<Record<string, string>> = {
  "describe-instance-status": "instance list",
  "get-console-output": "instance log",
  "modify-instance-attribute": "instance set",
  "describe-tags": "instance list -c name,properties",
  images: "image list",
  dominfo: "instance show",
  domstate: "instance show",
  domifaddr: "instance show -c addresses",
  domblklist: "volume list",
  domrename: "instance set --name",
  domstats: "usage",
  setvcpus: "instance resize --vcpus",
  setmem: "instance resize --ram",
  autostart: "instance set --autostart on",
  blockresize: "volume resize",
  "snapshot-create-as": "snapshot create",
  "snapshot-current": "snapshot list",
  "snapshot-info": "snapshot show",
  "backup-begin": "backup create",
  listvirtualmachines: "instance list",
  deployvirtualmachine: "instance create",
  destroyvirtualmachine: "instance delete",
  createvmsnapshot: "snapshot create",
  reverttovmsnapshot: "snapshot revert",
  "server image create": "image create --from-instance",
  "server backup create": "backup create",
  "server add volume": "volume attach",
  "server remove volume": "volume detach",
  "server create image": "image create --from-instance",
  "console log show": "instance log",
  "console url show": "instance console",
  du: "usage",
  df: "usage",
  fsck: "doctor",
  repair: "doctor --repair",
  snapshots: "snapshot list",
  backups: "backup list",
};

/** The noun that another tool's word, or a plural, means; null where it is not known. */
export function nounMeant(word: string, known: Iterable<string>): string | null {
  const nouns = new Set(known);
  const wanted = word.toLowerCase();
  for (const one of [wanted, wanted.replace(/s$/, "")]) {
    if (nouns.has(one)) return one;
    const meant = Object.hasOwn(NOUNS, one) ? NOUNS[one] : undefined;
    if (meant !== undefined) return meant;
  }
  return null;
}

/** The verbs that another tool's word means, as they are typed here, some with an option. */
export function verbsMeant(word: string): readonly string[] {
  const wanted = word.toLowerCase();
  return (Object.hasOwn(VERBS, wanted) ? VERBS[wanted] : undefined) ?? [];
}

/** The command that another tool's first words are here, and how many words they were; null where it is not known. */
export function commandMeant(words: readonly string[]): { readonly command: string; readonly length: number } | null {
  for (let length = Math.min(3, words.length); length > 0; length -= 1) {
    const key = words.slice(0, length).join(" ").toLowerCase();
    const command = Object.hasOwn(COMMANDS, key) ? COMMANDS[key] : undefined;
    if (command !== undefined) return { command, length };
  }
  return null;
}
