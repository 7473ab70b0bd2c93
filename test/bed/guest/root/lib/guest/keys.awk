# Prints the ssh keys under `public-keys` and `ssh_authorized_keys`, as a block list, a map or an inline list. A block ends at the next
# key that is indented no deeper; a list item may stand right below its key.
function indent(line) { match(line, /^ */); return RLENGTH }
FNR == 1 { inside = 0 }
inside && /[^ ]/ && $1 != "-" && substr($1, 1, 1) != "#" && indent($0) <= depth { inside = 0 }
/^ *(- *)?(public-keys|ssh_authorized_keys|ssh-authorized-keys) *:/ { inside = 1; depth = indent($0) }
inside {
  rest = $0
  while (match(rest, /(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp[0-9]+|sk-[a-z0-9@.-]+) +[A-Za-z0-9+\/=]+[^]"',]*/)) {
    key = substr(rest, RSTART, RLENGTH)
    rest = substr(rest, RSTART + RLENGTH)
    sub(/[ \r]+$/, "", key)
    print key
  }
}
