/** Dialogues, as they stand on a terminal. */
import { session } from "./session.ts";

session("instance-create", "beginning", async (screen) => {
  screen.begin("estrato instance create");
  await screen.shows("From which image?");
  screen.press("Enter");
  await screen.shows("How large?");
  screen.type("small");
  await screen.shows("How large? small");
  screen.press("Enter");
  await screen.shows("Which key opens it?");
  screen.press("Enter");
  await screen.shows("On which network?");
  screen.press("Enter");
  await screen.shows("What shall it be called?");
  screen.type("web1");
  screen.press("Enter");
  await screen.done();
});

session("instance-delete", "estate", async (screen) => {
  screen.begin("estrato instance delete web1");
  await screen.shows("(y/N)");
  screen.type("n");
  screen.press("Enter");
  await screen.done();
});
