# Names and places of the test bed. Sourced, never run. Everything is derived from where this file lies or from the environment.
# shellcheck shell=bash disable=SC2034  # the variables are for whoever sources this

PATH=$PATH:/usr/sbin:/sbin # under sudo and cron they may be missing
bed_dir=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
repository=$(realpath -- "$bed_dir/../..")
cache=$(realpath -m -- "${ESTRATO_BED_CACHE:-/var/cache/estrato-bed}")

# A generation is a Debian release: what libvirt and QEMU it ships is what the tests meet.
declare -A suite_of=([12]=bookworm [13]=trixie)

# What the host itself needs, to build guests and to start a bed of any generation.
tool_packages=(debootstrap dosfstools e2fsprogs fdisk iproute2 mtools qemu-utils syslinux syslinux-common tini)

# What makes a generation, and what tests call beside it; cron brings crontab, which `estrato schedule` writes; exFAT is a file system
# without holes, links and modes; passt serves a network without root; strace puts errors of a disk in, and tells what a power cut would leave.
generation_packages=(acl cron curl dnsmasq-base dosfstools e2fsprogs exfat-fuse exfatprogs fdisk gpgv iproute2 iptables libvirt-clients libvirt-daemon-system mtools
  openssh-client ovmf passt procps qemu-system-x86 qemu-utils strace swtpm swtpm-tools xorriso)

# What the machine's own generation has beside that: libguestfs takes 100 packages, and one generation of it is enough.
machine_packages=(guestfish)

# The generation that the machine itself is, or nothing.
host_generation() {
  (. /etc/os-release && [[ $ID == debian ]] && printf '%s\n' "$VERSION_ID") || true
}

# The first 12 hex digits of a hash over folder $1, wherever it lies: what was built from it carries it in its name.
inputs_hash() {
  (cd -- "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-12)
}

# The root folder that generation $1 runs in.
generation_root() {
  if [[ $1 == "$(host_generation)" ]]; then
    printf '/\n'
  else
    printf '%s/root-%s-%s\n' "$cache" "$1" "$(printf '%s ' "${generation_packages[@]}" | sha256sum | cut -c 1-12)"
  fi
}

# The read-only guest image that the sources beside this folder make.
guest_image() {
  printf '%s/guest-%s.qcow2\n' "$cache" "$(inputs_hash "$bed_dir/guest")"
}

# The kernel that libguestfs boots in that generation; its name says of what it was made.
appliance_kernel() {
  printf '%s/kernel-%s\n' "$cache" "$(sha256sum <"$bed_dir/host/kernel" | cut -c 1-12)"
}

die() {
  printf 'bed: %s\n' "$*" >&2
  exit 1
}
