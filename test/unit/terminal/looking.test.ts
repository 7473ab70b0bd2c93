/** What is drawn: the tree, what runs, where the bytes are, which nights went well. */
import { session } from "./session.ts";

session("drawn", "estate", [
  "estrato snapshot tree web1",
  "estrato instance top --count 2",
  "estrato usage",
  "estrato usage snapshot",
  "estrato usage instance web1",
  "estrato backup list --calendar --target /backups",
]);
