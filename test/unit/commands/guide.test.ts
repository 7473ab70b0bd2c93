/** Dialogues: what a person answers, the line that it comes to, and what is done. */
import { expect, test } from "vitest";
import type { Prompts } from "../../../src/ui/prompts.ts";
import { estate, printed, run } from "./estate.ts";

/** Answers one question after the other; a list holds each answer that is chosen from it. */
function answering(...answers: string[]) {
  const asked: string[] = [];
  const next = (question: string) => {
    asked.push(question);
    const answer = answers.shift();
    if (answer === undefined) throw new Error(`not expected: ${question}`);
    return answer;
  };
  const prompts: Prompts = {
    confirm: () => Promise.reject(new Error("not expected")),
    choose: async (question, choices) => {
      const answer = next(question);
      expect(choices.map(({ value }) => value)).toContain(answer);
      return answer;
    },
    ask: async (question, { fallback, check } = {}) => {
      const answer = next(question) || fallback || "";
      expect(check?.(answer) ?? null).toBeNull();
      return answer;
    },
  };
  return { prompts, asked };
}

const SAME = "The same without questions: ";

test("instance create asks from what, how large, with which key, where, and how it is called", async () => {
  const on = await estate();
  const { prompts, asked } = answering("debian12", "tiny", "mykey", "default", "web9");
  const { exit, stdout, stderr } = await run(on, "instance create --no-start -f value -c name", { prompts });
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: "web9\n" });
  expect(asked).toEqual([
    "From which image?",
    "How large?",
    "Which key opens it?",
    "On which network?",
    "What shall it be called?",
  ]);
  const line = "estrato instance create web9 --image debian12 --flavor tiny --key-name mykey --network default";
  expect(stderr).toContain(`${SAME}${line} --no-start -f value -c name\n`);
});

test("a line that says from what asks for the name alone, and one that says all for nothing", async () => {
  const on = await estate();
  const { prompts, asked } = answering("web9");
  expect(await run(on, "instance create --image debian12 --no-start", { prompts })).toMatchObject({ exit: 0 });
  expect(asked).toEqual(["What shall it be called?"]);
  expect(await run(on, "instance create web8 --image debian12", { prompts })).toMatchObject({ exit: 0 });
});

test("backup create asks of whom, how many are kept, where to, and what is copied", async () => {
  const on = await estate();
  const { prompts } = answering("web1", "", "/backups", "incremental");
  const { exit, stderr } = await run(on, "backup create", { prompts });
  expect(exit).toBe(0);
  expect(stderr).toContain(`${SAME}estrato backup create web1 --incremental --rotation 7 --target /backups\n`);
});

test("backup create asks not of whom where --filter chooses", async () => {
  const on = await estate();
  const line = "backup create --filter name=web1 --rotation 3 --target /backups -f value -c instance";
  expect(await run(on, line, answering())).toEqual({ exit: 0, stdout: "web1\n", stderr: "" });
  const { exit, stderr } = await run(on, "backup create --filter name=web2", answering("3", "/backups", "full"));
  expect(exit).toBe(0);
  expect(stderr).toContain("estrato backup create --rotation 3 --target /backups --filter name=web2\n");
});

test("schedule create asks what, of whom, when and how many", async () => {
  const on = await estate();
  const { prompts } = answering("backup", "web1", "0 3 * * *", "5", "/backups", "nightly");
  const { exit, stderr } = await run(on, "schedule create", { prompts });
  expect(exit).toBe(0);
  const line =
    "estrato schedule create nightly --backup web1 --cron '0 3 * * *' --rotation 5 --incremental --target /backups";
  expect(stderr).toContain(`${SAME}${line}\n`);
  expect(await printed(on, "schedule list -f value -c name")).toBe("nightly\n");
});

test("image create asks from what", async () => {
  const on = await estate();
  const { prompts } = answering("snapshot", "web1/first", "golden");
  expect(await run(on, "image create", { prompts })).toMatchObject({
    exit: 0,
    stderr: expect.stringContaining(`${SAME}estrato image create golden --from-snapshot web1/first\n`),
  });
});

test("a required option that is missing is asked for, and what is wrong with an answer is said there", async () => {
  const on = await estate();
  const wrong: (string | null)[] = [];
  const prompts: Prompts = {
    ...answering().prompts,
    ask: async (question, { check } = {}) => {
      wrong.push(check?.("much") ?? null);
      return question.startsWith("--ram") ? "1G" : "10G";
    },
  };
  const { exit, stderr } = await run(on, "flavor create db", { prompts });
  expect(exit).toBe(0);
  expect(wrong[0]).toMatch(/^--ram "much": not a size/);
  expect(stderr).toContain(`${SAME}estrato flavor create --ram 1G --disk 10G db\n`);
});

test("a missing argument is asked for before an option, and the line has it behind the others", async () => {
  const on = await estate();
  const { prompts, asked } = answering("data1");
  expect(await run(on, "volume attach legacy", { prompts })).toMatchObject({
    exit: 0,
    stderr: expect.stringContaining(`${SAME}estrato volume attach legacy data1\n`),
  });
  expect(asked).toEqual(["Which volume?"]);
  const { prompts: others, asked: first } = answering("db", "1G", "10G");
  expect(await run(on, "flavor create", { prompts: others })).toMatchObject({
    exit: 0,
    stderr: expect.stringContaining(`${SAME}estrato flavor create --ram 1G --disk 10G db\n`),
  });
  expect(first[0]).toBe("Name of the new flavor");
});

test("nobody is asked without a terminal, or with --no-input: exit 2", async () => {
  const on = await estate();
  for (const line of ["instance create", "backup create", "schedule create", "image create", "flavor create db"]) {
    expect(await run(on, line)).toMatchObject({ exit: 2, stdout: "" });
    expect(await run(on, `${line} --no-input`, { prompts: answering().prompts })).toMatchObject({ exit: 2 });
  }
});
