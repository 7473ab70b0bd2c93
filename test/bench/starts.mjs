// Lines that change nothing: what starting costs, and a list of what libvirt has.
import { both } from "./measure.mjs";

export function starts({ perBuild, inTurns, rounds, row, node }) {
  const t = inTurns(rounds(15), {
    ...perBuild((build) => build.estrato("--version"), "version"),
    ...perBuild((build) => build.estrato("--help"), "help"),
    node,
  });
  for (const word of ["version", "help"]) row(`--${word}`, perBuild.of(t, word), "node -e 0", t.node, "1.6");
}

export function listing({ builds, perBuild, inTurns, rounds, row, node, define, virsh, virshAll, folder }) {
  const names = Array.from({ length: 100 }, (_, index) => `many-${index}`);
  define(...names.map(
    (
      name,
    ) => `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os>
      <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${folder}/${name}.qcow2'/><target dev='vda' bus='virtio'/></disk>
      <interface type='network'><source network='default'/></interface></devices></domain>`,
  ));
  for (const build of builds) // makes the store
    build.estrato("flavor", "create", "bench", "--vcpus", "1", "--ram", "64M", "--disk", "16M");
  const t = inTurns(rounds(9), {
    ...perBuild((build) => build.estrato("instance", "list")),
    virsh: () => virsh("list", "--all"),
    node,
  });
  row("instance list, 100 domains", t, "virsh list --all + node", both(t.virsh, t.node), "1.6");
  virshAll(names.map((name) => `undefine ${name}`));
}
