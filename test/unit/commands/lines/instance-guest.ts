/** What reaches into a running guest through its agent: `instance exec`, `push` and `pull`. */
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { agentOf } from "../../../fake/agent.ts";
import type { Bed } from "../../core/world.ts";
import { befallen, domainOf } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";

/** The fake agent's files are this machine's: a folder of the test's is the guest's. */
const GUEST = join(tmpdir(), `estrato-guest-${process.pid}`);

/** In it lies motd, and on this side old. */
function withFiles(on: Bed): void {
  agentOf(domainOf(on, "web1")).mayTouch = true;
  rmSync(GUEST, { recursive: true, force: true });
  mkdirSync(join(GUEST, "etc"), { recursive: true });
  writeFileSync(join(GUEST, "etc/motd"), "welcome\n");
  writeFileSync(join(GUEST, "old"), "old\n");
  onTestFinished(() => rmSync(GUEST, { recursive: true, force: true }));
}

/** The agent forbids this, as that of RHEL does. */
const forbidding = (verb: string) => (on: Bed) => {
  withFiles(on);
  agentOf(domainOf(on, "web1")).forbidden.add(verb);
};

/** It writes nothing, and says that it has. */
function lying(on: Bed): void {
  withFiles(on);
  agentOf(domainOf(on, "web1")).hook = ({ execute }) =>
    execute === "guest-file-write" ? { refused: null, value: { count: 4, eof: false } } : undefined;
}

const paused = befallen("web1", { state: "paused" });
const frozen = befallen("web1", { frozen: true });
const mute = befallen("web1", { agent: false });

/** Its command never ends. */
function neverEnding(on: Bed): void {
  withFiles(on);
  let scripts = 0;
  agentOf(domainOf(on, "web1")).hook = ({ execute }) => {
    if (execute === "guest-exec") scripts += 1;
    const isSecond = execute === "guest-exec-status" && scripts === 2; // the first makes the folder
    return isSecond ? { refused: null, value: { exited: false } } : undefined;
  };
}

/** Its agent is lost while its command runs. */
function losingIt(on: Bed): void {
  withFiles(on);
  let scripts = 0;
  agentOf(domainOf(on, "web1")).hook = ({ execute }) => {
    if (execute === "guest-exec") scripts += 1;
    return scripts === 2 && execute === "guest-file-read" ? { refused: "silent", words: "gone" } : undefined;
  };
}

const EXECUTED = {
  instance: "web1",
  exit_code: 0,
  signal: null,
  stdout: "",
  stderr: "",
  encoding: "utf-8",
  truncated: false,
};

export const reaching: NounLines = {
  exec: {
    well: [{ line: "instance exec web1 -- true", before: withFiles, json: EXECUTED, plan: ["Run true in web1"] }],
    refused: [
      ...refusals(
        ["instance exec web1", 2, "no command is given"],
        ["instance exec web1 --timeout x -- true", 2, "--timeout"],
        ["instance exec nosuch -- true", 4, "instance nosuch: not found"],
        ["instance exec web2 --stdin -- true", 5, "it is off"],
        ["instance exec put-by -- true", 5, "it is shelved"],
        ["instance exec web1 -- true", 5, "it is paused", paused],
        ["instance exec web1 -- true", 5, "frozen", frozen],
        ["instance exec web1 -- true", 6, "its guest agent does not answer", mute],
        ["instance exec web1 -- true", 6, "forbids guest-exec", forbidding("guest-exec")],
        ["instance exec web1 -- true", 6, "block-rpcs", forbidding("guest-file-read")],
      ),
      {
        line: "instance exec web1 --timeout 3s -- true",
        exit: 7,
        says: "goes on there as process",
        before: neverEnding,
        late: true,
      },
      { line: "instance exec web1 -- true", exit: 255, says: "nobody knows how true", before: losingIt, late: true },
    ],
  },

  push: {
    well: [
      {
        line: `instance push web1 ${GUEST}/old ${GUEST}/etc/motd`,
        before: withFiles,
        json: pushed("etc/motd"),
        plan: [`Write old to ${GUEST}/etc/motd in web1`],
      },
      {
        line: `instance push web1 ${GUEST}/old ${GUEST}/etc --mode 0640`,
        before: withFiles,
        json: pushed("etc/old"),
        plan: [`Write old to ${GUEST}/etc/old in web1`],
      },
    ],
    refused: [
      ...refusals(
        ["instance push web1 package.json etc/motd", 2, "it is not absolute"],
        [`instance push web1 package.json ${GUEST}/etc/motd --mode 888`, 2, "no permissions"],
        [`instance push web1 - ${GUEST}/etc`, 2, "it is a folder", withFiles],
        ["instance push nosuch package.json /root/x", 4, "instance nosuch: not found"],
        [`instance push web1 package.json ${GUEST}/nosuch/x`, 4, "no such file or folder", withFiles],
        [`instance push web1 package.json ${GUEST}/nosuch/`, 4, "no such file or folder", withFiles],
        ["instance push web2 package.json /root/x", 5, "it is off"],
        ["instance push web1 package.json /dev/null", 5, "it is no regular file", withFiles],
        ["instance push web1 package.json /root/x", 6, "forbids guest-file-write", forbidding("guest-file-write")],
        ["instance push web1 src /root/x", 6, "it is no regular file"],
      ),
      {
        line: `instance push web1 ${GUEST}/old ${GUEST}/etc/motd`,
        exit: 9,
        says: "something else than was sent",
        before: lying,
        late: true,
      },
    ],
  },

  pull: {
    well: [
      {
        line: `instance pull web1 ${GUEST}/etc/motd ${GUEST}/`,
        before: withFiles,
        json: pulled("motd"),
      },
      {
        line: `instance pull web1 ${GUEST}/etc/motd ${GUEST}/old`,
        before: withFiles,
        json: pulled("old"),
      },
    ],
    refused: [
      ...refusals(
        ["instance pull web1 etc/motd .", 2, "it is not absolute"],
        [`instance pull web1 ${GUEST}/etc ${GUEST}/old`, 2, "it is a folder", withFiles],
        ["instance pull nosuch /etc/motd -", 4, "instance nosuch: not found"],
        [`instance pull web1 ${GUEST}/nosuch -`, 4, "no such file or folder", withFiles],
        [`instance pull web1 /etc/motd ${GUEST}/nosuch/x`, 4, "there is no such folder", withFiles],
        ["instance pull web2 /etc/motd -", 5, "it is off"],
        ["instance pull web1 /dev/null -", 5, "it is no regular file", withFiles],
        ["instance pull web1 /etc/motd /dev/null", 5, "it is no regular file"],
        ["instance pull web1 /etc/motd -", 6, "forbids guest-exec", forbidding("guest-exec")],
      ),
    ],
  },
};

function pushed(path: string) {
  const sha256 = createHash("sha256").update("old\n").digest("hex");
  return { instance: "web1", path: `${GUEST}/${path}`, size_bytes: 4, sha256 };
}

function pulled(file: string) {
  return { instance: "web1", path: `${GUEST}/etc/motd`, file: `${GUEST}/${file}`, size_bytes: 8 };
}
