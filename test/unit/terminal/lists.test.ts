/** Lists, as they stand on a terminal: what fits side by side, and no cell cut. */
import { session } from "./session.ts";

const LISTS = ["instance list", "snapshot list web1", "volume list", "image list", "backup list --target /backups"];

session(
  "lists",
  "estate",
  LISTS.map((line) => `estrato ${line}`),
);
session(
  "lists-narrow",
  "estate",
  LISTS.map((line) => `COLUMNS=40 estrato ${line}`),
);
session("lists-chosen", "estate", [
  "estrato snapshot list web1 --wide",
  "estrato snapshot list web1 -c name -c created_at -c exclusive_bytes",
  "estrato snapshot list web1 | head -1",
  "estrato snapshot show web1/first",
]);
