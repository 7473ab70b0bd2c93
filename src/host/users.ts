/** The users of this host, as its name service knows them (getent(1)): passwd, and directories behind it. */
import type { HostUser } from "../core/model/host.ts";
import type { Processes } from "./process.ts";
import { failure } from "./process-failure.ts";

const NO_SUCH_KEY = 2;

/** All that are listed (a directory may list none); with `key` the one of that name or user id, listed or not. */
export async function users(processes: Processes, key?: string): Promise<HostUser[]> {
  const command = { program: "getent", args: ["passwd", ...(key === undefined ? [] : ["--", key])] };
  const result = await processes.run(command);
  if (result.exit === NO_SUCH_KEY) return [];
  if (result.exit !== 0) throw failure(command, result);
  return parseUsers(result.stdout);
}

/** passwd(5). Lines that are none are left out. */
export function parseUsers(text: string): HostUser[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , uid = "", , , home = ""] = line.split(":");
    return name !== "" && /^\d+$/.test(uid) && home.startsWith("/") ? [{ name, uid: Number(uid), home }] : [];
  });
}
