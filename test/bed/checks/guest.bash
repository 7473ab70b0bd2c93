# Guests for the self-test: seeds, definitions, and what to ask of them. Sourced.
# shellcheck shell=bash disable=SC2154,SC2317  # names and calls of the self-test

# seed NAME INSTANCE-ID - makes NAME.seed, which names the guest and lets our key in; a file NAME.user-data is taken along.
seed() {
  local folder=$work/$1.seed.d
  rm -rf "$folder" "$work/$1.seed"
  mkdir "$folder"
  printf 'instance-id: %s\nlocal-hostname: %s\npublic-keys:\n  - %s\n' "$2" "$1" "$(<"$work/key.pub")" >"$folder/meta-data"
  cp "$work/$1.user-data" "$folder/user-data" 2>/dev/null || : >"$folder/user-data"
  xorriso -as mkisofs -quiet -V cidata -J -r -o "$work/$1.seed" "$folder" 2>/dev/null
}

# define NAME NUMBER BACKING [MACHINE] - an empty head on BACKING, a reserved address that ends in NUMBER, and a domain.
define() {
  local mac=52:54:00:e5:00:$2
  [[ -e $work/$1.qcow2 ]] || qemu-img create -q -f qcow2 -b "$3" -F qcow2 "$work/$1.qcow2"
  virsh -q net-update default add-last ip-dhcp-host "<host mac='$mac' name='$1' ip='192.168.122.$2'/>" --live --config >/dev/null
  sed -e "s#@NAME@#$1#; s#@DISK@#$work/$1.qcow2#; s#@SEED@#$work/$1.seed#; s#@MAC@#$mac#; s#@LOG@#$work/$1.console#; s#@MACHINE@#${4:-q35}#" \
    "$checks/guest.xml" >"$work/$1.xml"
  virsh -q define "$work/$1.xml"
}

# within SECONDS COMMAND… - repeats COMMAND until it succeeds.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo "not within the time: $*" >&2; return 1; }
    sleep 0.1
  done
}

agent() { virsh -q qemu-agent-command "$1" "{\"execute\":\"$2\"}" --timeout 5; }
is_off() { [[ $(virsh -q domstate "$1") == 'shut off' ]]; }

# remote NUMBER COMMAND… - over ssh, on the reserved address.
remote() {
  local number=$1
  shift
  ssh -q -i "$work/key" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=1 -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null "root@192.168.122.$number" "$@" </dev/null
}
