/** Which symbolic links of a guest may stand in a folder of the host. */

/**
 * Does a link at `place` (components, below the folder) lead nowhere but into the folder, whatever other links stand
 * there? It goes up only at its beginning, from a folder that is none of them, and no further than the folder itself:
 * behind a name that is a link itself, `..` would lead elsewhere than it says.
 */
export function staysInside(place: readonly string[], link: string): boolean {
  if (link === "" || link.startsWith("/") || link.includes("\0")) return false;
  const parts = link.split("/").filter((part) => part !== "" && part !== ".");
  const down = parts.findIndex((part) => part !== "..");
  const ups = down < 0 ? parts.length : down;
  return ups < place.length && !parts.slice(ups).includes("..");
}
