// What dpkg is told of a package: its needs, its scripts, the sums of its files.
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MAINTAINER } from "./tree.mjs";

/** Without these no verb does its work; flock(1) and install(1) are on every Debian. */
const NEEDS = ["debconf (>= 0.5) | debconf-2.0", "libvirt-clients", "openssh-client", "qemu-utils", "xorriso"];
/** A host of guests; a client of another machine's libvirt needs none of it. */
const USUAL = ["acl", "cron | cron-daemon", "curl", "dnsmasq-base", "gpgv", "libvirt-daemon-system", "qemu-system-x86"];
/** guestfish reads guests' files; it brings a hundred packages, and needs a kernel, which a container has none of. */
const BESIDE = ["bash-completion", "guestfish", "guestfs-tools", "libguestfs-xfs", "ovmf", "passt", "swtpm-tools"];

const DESCRIPTION = `Description: verbs of a cloud on one libvirt host
 Gives the guests of one machine with libvirt and QEMU what users of openstack
 and aws ec2 expect: snapshots of running instances in a tree, reverts that can
 be undone, images made of snapshots, new instances from images with a name, an
 address and an SSH key of their own, volumes, shelving, and incremental backups
 with rotation.
 .
 There is no service and no database: one program, a folder of disks, and a
 journal from which the next command ends or undoes what was killed.
`;

export function control({ root, staged, debian }) {
  const folder = join(staged, "DEBIAN");
  mkdirSync(folder, { mode: 0o755 });
  chmodSync(folder, 0o755);
  const files = regularFiles(staged, "").filter((path) => !path.startsWith("DEBIAN/"));
  const sizeKib = Math.ceil(files.reduce((sum, path) => sum + lstatSync(join(staged, path)).size, 0) / 1024);
  const text = [
    "Package: estrato",
    `Version: ${debian.version}`,
    `Architecture: ${debian.architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${sizeKib}`,
    `Depends: ${[...debian.node, ...NEEDS].join(", ")}`,
    `Recommends: ${USUAL.join(", ")}`,
    `Suggests: ${BESIDE.join(", ")}`,
    "Section: admin",
    "Priority: optional",
    DESCRIPTION,
  ].join("\n");
  write(join(folder, "control"), text);
  const sums = files.map(
    (path) =>
      `${createHash("md5")
        .update(readFileSync(join(staged, path)))
        .digest("hex")}  ${path}`,
  );
  write(join(folder, "md5sums"), `${sums.join("\n")}\n`);
  for (const [file, mode] of [
    ["config", 0o755],
    ["postinst", 0o755],
    ["postrm", 0o755],
    ["templates", 0o644],
  ]) {
    copyFileSync(join(root, "packaging/debian", file), join(folder, file));
    chmodSync(join(folder, file), mode);
  }
}

function write(path, text) {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}

function regularFiles(folder, under) {
  return readdirSync(join(folder, under), { withFileTypes: true }).flatMap((entry) => {
    const path = join(under, entry.name);
    if (entry.isDirectory()) return regularFiles(folder, path);
    return entry.isFile() ? [path] : [];
  });
}
