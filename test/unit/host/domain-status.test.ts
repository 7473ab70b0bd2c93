/** What is asked of many domains, and what is made of one that is started while it is asked. */
import { expect, test } from "vitest";
import { domainStatuses } from "../../../src/host/domain-status.ts";
import { SYSTEM_FOLDERS } from "../../../src/host/libvirt-folders.ts";
import type { Virsh } from "../../../src/host/virsh.ts";

const [OFF, STARTED, RUNNING] = [1, 2, 3].map((digit) => `11111111-2222-4333-8444-55555555555${digit}`) as [
  string,
  string,
  string,
];
const xml = (uuid: string) => `<domain><name>${uuid.slice(-1)}</name><uuid>${uuid}</uuid><memory>1</memory></domain>`;

function asked() {
  const commands: string[] = [];
  let isStarted = false;
  const answer = (words: readonly string[]): string => {
    const [verb, , uuid = ""] = words;
    const runs = uuid === RUNNING || (uuid === STARTED && isStarted);
    if (verb === "dominfo") return "Persistent:     yes\nAutostart:      disable\nManaged save:   no\n";
    if (verb === "domstate") return runs ? "running (booted)" : "shut off (destroyed)";
    if (verb === "dumpxml") return xml(uuid);
    if (verb !== "list") return "";
    if (words.includes("--name")) return [OFF, STARTED, RUNNING].map((one) => `${one} ${one.slice(-1)}\n`).join("");
    if (words.includes("--state-shutoff")) return isStarted ? `${OFF}\n` : `${OFF}\n${STARTED}\n`;
    return words.includes("--persistent") ? [OFF, STARTED, RUNNING].join("\n") : "";
  };
  const batch: Virsh["batch"] = async (all) => {
    const answers = [];
    for (const words of all) {
      commands.push(words.join(" "));
      if (words[0] === "dumpxml") isStarted = true;
      answers.push({ text: answer(words), error: null });
    }
    return answers;
  };
  return { commands, virsh: { batch, folders: SYSTEM_FOLDERS } as unknown as Virsh };
}

test("one that was started while many were asked for is asked for anew, and one that is off for its definition alone", async () => {
  const { commands, virsh } = asked();
  const found = await domainStatuses(virsh);
  const states = [...found].map(([uuid, { state, reason, live }]) => [uuid, state, reason, live !== null]);
  expect(states).toEqual([
    [OFF, "shutoff", "", false],
    [STARTED, "running", "booted", true],
    [RUNNING, "running", "booted", true],
  ]);
  expect(commands.filter((one) => one.includes(OFF))).toEqual([`dumpxml --domain ${OFF} --security-info --inactive`]);
});
