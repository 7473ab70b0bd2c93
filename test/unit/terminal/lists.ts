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

/** Each kind of thing, one of it in full. */
session("shown", "estate", [
  "estrato instance show web1",
  "estrato image show debian12",
  "estrato volume show data2",
  "estrato backup show bak-00000000000000002 --target /backups",
  "estrato flavor list",
  "estrato flavor show small",
  "estrato keypair list",
  "estrato keypair show mykey",
  "estrato config list",
  "estrato config get backup_type",
  "estrato event list --limit 6",
  "estrato event list web2",
]);
session("schedules", "estate", [
  "estrato schedule list",
  "estrato schedule create nightly --backup web1 --cron '0 3 * * *' --rotation 7 --target /backups",
  "estrato schedule list",
  "estrato schedule show nightly",
  "estrato schedule delete nightly",
]);
