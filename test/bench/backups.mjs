// Backups of a 1 GiB disk, half full and 1 % changed, against qemu-img convert and virtnbdbackup (Debian's package) in
// one run.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const MiB = 1024 ** 2;
const CHANGED_MIB = 10;

export function backups({ run, estrato, virsh, row, inTurns, node, median, folder, define }) {
  const raw = join(folder, "half.raw");
  execFileSync("sh", ["-c", `head -c ${512 * MiB} /dev/urandom > '${raw}'`]);
  const disk = (name) => join(folder, `${name}.qcow2`);
  for (const name of ["bak-ours", "bak-theirs"]) {
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk(name));
    run("qemu-img", "resize", "-q", disk(name), "1G");
    // It runs, and does nothing: what changes is written through QEMU's monitor.
    define(`<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os>
      <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk(name)}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`);
    virsh("start", name);
  }
  rmSync(raw);
  const change = (name, round) => {
    for (let at = 0; at < CHANGED_MIB; at += 1) {
      const command = `qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write -P ${(round * 16 + at) % 255} ${((at * 47 + round) % 500) * MiB} ${MiB}"`;
      run("virsh", "-q", "qemu-monitor-command", name, "--hmp", command);
    }
  };
  const [target, theirs, copy] = ["bak-target", "bak-nbd", "copy.qcow2"].map((name) => join(folder, name));
  mkdirSync(target);
  const backup = (...args) => estrato("backup", "bak-ours", "--target", target, "--rotation", "99", ...args);
  estrato("instance", "adopt", "bak-ours");
  const full = inTurns(3, {
    estrato: () => backup(),
    // A new file each time, as a backup is: blocks that were just freed are written several times faster.
    convert: (round) => {
      const to = `${copy}-${round}`;
      return run("qemu-img", "convert", "-U", "-O", "qcow2", disk("bak-ours"), to).ms + run("sync", to).ms;
    },
    nbd: (round) => run("virtnbdbackup", "-d", "bak-theirs", "-l", "full", "-o", `${theirs}-${round}`).ms,
    node,
  });
  row("backup, full, 512 MiB", full.estrato, "qemu-img convert, sync + node", full.convert + full.node, "1.15");
  row("backup, full, 512 MiB", full.estrato, "virtnbdbackup -l full", full.nbd, "0.33");

  const last = `${theirs}-2`;
  const times = { estrato: [], nbd: [] };
  for (let round = 0; round < 5; round += 1) {
    change("bak-ours", round);
    change("bak-theirs", round);
    times.estrato.push(backup("--incremental"));
    times.nbd.push(run("virtnbdbackup", "-d", "bak-theirs", "-l", "inc", "-o", last).ms);
  }
  row("backup, incremental, 10 MiB", median(times.estrato), "virtnbdbackup -l inc", median(times.nbd), "0.5");
  const list = JSON.parse(run(...estrato.line("backup", "list", "--target", target, "-f", "json")).stdout);
  const delta = statSync(join(target, list.at(-1).id, "vda.qcow2")).blocks * 512;
  row("its bytes (KiB)", delta / 1024, "bytes changed (KiB)", CHANGED_MIB * 1024, "1.1");

  // The oldest on which one stands: a full one, with a delta of 10 MiB above.
  const chain = list.filter(({ incremental }) => incremental);
  const base = join(folder, "base.qcow2");
  const top = join(folder, "top.qcow2");
  run("cp", join(target, chain[0].parent, "vda.qcow2"), base);
  run("cp", join(target, chain[0].id, "vda.qcow2"), top);
  run("chmod", "600", base, top);
  run("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", base, top);
  const commit = run("qemu-img", "commit", "-q", "-d", top).ms + run("sync", base).ms;
  const merge = estrato("backup", "delete", chain[0].parent, "--target", target, "-y");
  row("rotation's merge, 10 MiB into 512", merge, "qemu-img commit -d, sync + node", commit + full.node, "-");
  for (const name of ["bak-ours", "bak-theirs"]) virsh("destroy", name);
}
