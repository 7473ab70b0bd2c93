/** Values as they leave the program. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The value at `path` (`k` or `k.l`) below `value`; null where there is none. A key that itself holds dots is found
 * too.
 */
export function valueAt(value: Json, path: string): Json {
  if (path === "") return value;
  if (!isObject(value)) return null;
  if (Object.hasOwn(value, path)) return value[path] ?? null;
  for (let dot = path.indexOf("."); dot > 0; dot = path.indexOf(".", dot + 1)) {
    const key = path.slice(0, dot);
    if (Object.hasOwn(value, key)) return valueAt(value[key] ?? null, path.slice(dot + 1));
  }
  return null;
}

/**
 * A value in one cell: null is `none`, a list its items behind commas, an object its `key=value` behind commas; objects
 * of a list are parted by semicolons, and what lies deeper is in parentheses.
 */
export function cell(value: Json, none = ""): string {
  if (value === null) return none;
  if (Array.isArray(value))
    return value.map((item) => nestedCell(item, isObject)).join(value.some(isObject) ? ";" : ",");
  if (!isObject(value)) return String(value);
  return Object.entries(value)
    .map(([key, item]) => `${key}=${nestedCell(item)}`)
    .join(",");
}

function nestedCell(value: Json, isPlain: (value: Json) => boolean = () => false): string {
  return typeof value !== "object" || value === null || isPlain(value) ? cell(value) : `(${cell(value)})`;
}
