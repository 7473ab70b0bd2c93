/** Dialogues, as they stand on a terminal: what is asked for, and what is said before it is gone. */
import type { Screen } from "./screen.ts";
import { session } from "./session.ts";

/** What a question says, and what is typed in answer to it, before Enter. */
type Answer = readonly [question: string, typed?: string];

/** Types a line and answers what it asks, one question after the other. */
function dialogue(line: string, answers: readonly Answer[]): (screen: Screen) => Promise<void> {
  return async (screen) => {
    screen.begin(line);
    for (const [question, typed = ""] of answers) {
      await screen.shows(question);
      if (typed !== "") screen.type(typed);
      await screen.shows(`${question} ${typed}`.trimEnd());
      screen.press("Enter");
    }
    await screen.done();
  };
}

function dialogues(lines: readonly (readonly [line: string, answers: readonly Answer[]])[]) {
  return async (screen: Screen) => {
    for (const [line, answers] of lines) await dialogue(line, answers)(screen);
  };
}

session(
  "instance-create",
  "beginning",
  dialogue("estrato instance create", [
    ["From which image?"],
    ["How large?", "small"],
    ["Which key opens it?"],
    ["On which network?"],
    ["What shall it be called?", "web1"],
  ]),
);
session(
  "backup-create",
  "estate",
  dialogue("estrato backup create", [
    ["Backup of which instance?", "web1"],
    ["How many are kept?", "3"],
    ["It should be on another disk", "/backups"],
    ["What is copied?"],
  ]),
);
session(
  "schedule-create",
  "estate",
  dialogue("estrato schedule create", [
    ["What is taken?"],
    ["Of which instance?", "web2"],
    ["When?"],
    ["How many are kept?"],
    ["It should be on another disk", "/backups"],
    ["What shall it be called?", "nightly"],
  ]),
);
session(
  "image-create",
  "estate",
  dialogue("estrato image create", [
    ["From what?", "snapshot"],
    ["Which snapshot?", "web1/first"],
    ["Name of the new image", "golden"],
  ]),
);
session(
  "missing",
  "estate",
  dialogues([
    [
      "estrato volume create",
      [
        ["What shall it be called?", "more"],
        ["How large shall it be? (10G)", "1G"],
      ],
    ],
    [
      "estrato volume attach",
      [
        ["Which instance?", "legacy"],
        ["Which volume?", "more"],
      ],
    ],
    ["estrato flavor create huge --ram 64G", [["--disk SIZE: size of the first disk", "1T"]]],
    ["estrato snapshot show -c name -c created_at", [["Which snapshot?", "web2"]]],
  ]),
);

const NO: Answer = ["(y/N)", "n"];
session("instance-delete", "estate", dialogue("estrato instance delete web1", [NO]));
session(
  "lost",
  "estate",
  dialogues([
    ["estrato snapshot delete web1/first --children", [NO]],
    ["estrato snapshot revert web1/first --discard", [NO]],
    ["estrato instance stop web1", []],
    ["estrato instance resize web1 --ram 512M", [NO]],
    ["estrato shelve web2 --target /backups --offload", [NO]],
    ["estrato volume delete data1", [NO]],
    ["estrato backup delete bak-00000000000000001 --target /backups", [NO]],
    ["estrato backup restore bak-00000000000000003 --target /backups --in-place", [NO]],
    ["estrato backup create web1 --rotation 1 --type daily --target /backups", []],
  ]),
);
