/** From an instance's name, which people choose freely, to a host name, which DNS does not. */

const LONGEST_LABEL = 63; // RFC 1035, section 2.3.4

/**
 * `name` as one label of RFC 1123: lower case letters, digits and inner dashes; "instance" where nothing of it can
 * stay.
 */
export function hostnameOf(name: string): string {
  const label = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "") // an accent goes, its letter stays
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, LONGEST_LABEL)
    .replace(/^-+|-+$/g, "");
  return label === "" ? "instance" : label;
}
