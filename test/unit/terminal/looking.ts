/** What is drawn: the tree, what runs, where the bytes are, which nights went well. */
import { session } from "./session.ts";

session("drawn", "estate", [
  "estrato snapshot tree web1",
  "estrato instance top --count 2",
  "estrato usage",
  "estrato usage snapshot",
  "estrato usage instance",
  "estrato usage image",
  "estrato usage volume",
  "estrato usage backup --target /backups",
  "estrato usage instance web1",
  "estrato backup list --calendar --target /backups",
  "estrato doctor",
]);
session("followed", "estate", async (screen) => {
  screen.begin("estrato event list web1 --follow --limit 3");
  await screen.shows("snapshot.create");
  screen.press("C-c");
  await screen.done();
});
