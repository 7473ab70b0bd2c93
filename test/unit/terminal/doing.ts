/** What a person reads once something is done, or where there is nothing yet. */
import { session } from "./session.ts";

session("done", "estate", [
  "estrato instance stop web1",
  "estrato instance stop web1",
  "estrato instance start web1 web2",
  "estrato snapshot revert web1/first",
  "estrato snapshot unrevert web1",
  "estrato instance rebuild web1 -y",
  "estrato snapshot unrevert web1",
  "estrato snapshot delete web1/upgrade",
  "estrato volume create more --size 10G -c id -c name",
  "estrato volume resize more 20G",
  "estrato volume delete more -y",
  "estrato shelve web1",
  "estrato unshelve web1",
  "estrato instance stop nosuch",
  "estrato instance delete web1 -y",
]);
session("nothing-yet", "nothing", [
  "estrato instance list",
  "estrato snapshot list",
  "estrato image list",
  "estrato instance list | cat",
]);

/** How far a copy is, how fast, and how long still; and what it came to. */
session("long-work", "estate", async (screen, noting) => {
  screen.begin("SLOWLY=1 estrato backup create web1 --rotation 3 --target /backups");
  await screen.shows("left");
  noting(screen.text());
  screen.press("Enter");
  await screen.done();
});
