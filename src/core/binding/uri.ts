/** Libvirt URIs that lead to the same libvirt, brought to one form (libvirt.org/uri.html). */

export interface Libvirt {
  /** The URI in its one form. */
  readonly uri: string;
  /** Whose session it is, as a user id; null: a libvirt of the whole machine, or one elsewhere. */
  readonly user: number | null;
}

/** Who asks, and where. */
export interface Asker {
  readonly uid: number;
  /** What this machine calls itself. */
  readonly machineName: string;
}

/** Parameters that say how to get there, and not where to: they change nothing of who answers. */
const WAYS = new Set([
  ...["command", "keyfile", "known_hosts", "known_hosts_verify", "mode", "netcat", "no_sanity", "no_tty", "no_verify"],
  ...["pkipath", "proxy", "sshauth", "tls_priority"],
]);

/** The ports of each transport where none is named. */
const USUAL_PORTS: Readonly<Record<string, string>> = { "": "16514", tls: "16514", tcp: "16509", ssh: "22" };

/** Where the daemon of the whole machine listens, also where it is one for each driver. */
const SYSTEM_SOCKETS = /^\/(?:var\/)?run\/libvirt\/(?:libvirt-sock|virtqemud-sock)$/;

/**
 * The one form of a URI, which is the same for all that mean the same libvirt: the transport and how to log in are left
 * out, so are usual ports, and names of this machine. As root `qemu:///session` is answered by the system's daemon
 * (LIBVIRT.md, "A test host that needs no hardware"); anybody else's is his own. What cannot be read stays as it is:
 * then only the very same URI is the same.
 */
export function libvirtAt(uri: string, { uid, machineName }: Asker): Libvirt {
  const parts = /^([a-z][a-z0-9.-]*)(?:\+([a-z0-9.-]+))?:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?$/i.exec(uri);
  const transport = parts?.[2]?.toLowerCase() ?? "";
  if (parts === null || transport === "ext") return { uri, user: null };
  const driver = (parts[1] ?? "").toLowerCase();
  const { login, host, port } = authority(parts[3] ?? "");
  const isHere = host === "" || ["localhost", "127.0.0.1", "[::1]", machineName.toLowerCase()].includes(host);
  const path = (parts[4] ?? "").replace(/(?<=.)\/+$/, "");
  const usual = port === "" || port === (USUAL_PORTS[transport.replace(/^lib(?=ssh)|2$/g, "")] ?? "");
  const parameters = (parts[5] ?? "").split("&").filter((one) => one !== "" && !isWay(one, path));
  const query = parameters.length === 0 ? "" : `?${parameters.sort().join("&")}`;
  if (path !== "/session") {
    const where = isHere && usual ? "" : `${host}${usual ? "" : `:${port}`}`;
    return { uri: `${driver}://${where}${path}${query}`, user: null };
  }
  // A session is somebody's: over a network that of whoever is logged in as.
  if (host !== "") return { uri: `${driver}://${login}${host}${usual ? "" : `:${port}`}${path}${query}`, user: null };
  return uid === 0
    ? { uri: `${driver}:///system${query}`, user: null }
    : { uri: `${driver}:///session${query}`, user: uid };
}

function isWay(parameter: string, path: string): boolean {
  const [name = "", value = ""] = parameter.split("=");
  if (WAYS.has(name)) return true;
  return name === "socket" && path === "/system" && SYSTEM_SOCKETS.test(decoded(value));
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** `user@host:port`; the host may be an IPv6 address in brackets. */
function authority(text: string): { login: string; host: string; port: string } {
  const [, login = "", host = "", port = ""] = /^(.*@)?(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(text) ?? [];
  return { login, host: host.toLowerCase(), port };
}
