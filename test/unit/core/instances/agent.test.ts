/** `instance create --agent`: what cloud-init is told, and what is said where no agent will answer. */
import { expect, test } from "vitest";
import { AGENT, agentNote } from "../../../../src/core/instances/agent.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { createSeed } from "../../../../src/core/instances/seed.ts";
import type { Image } from "../../../../src/core/model/state.ts";
import { emptyState } from "../../../../src/store/empty-state.ts";
import { command, creation, newEstate } from "./world.ts";

const KEY = "ssh-ed25519 AAAA me@here";
const seed = (userData: string | null, publicKey: string | null = null) => {
  const action = createSeed("/seed", {
    uuid: "u",
    name: "web1",
    publicKey,
    userData,
    agent: true,
    networkConfig: null,
  });
  return action.do === "create-seed" ? action.userData : "";
};

/** The parts of an archive, and what stands in each. */
function parts(text: string): { readonly head: string; readonly body: string }[] {
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? "";
  const inner = text.split(`--${boundary}`).slice(1, -1);
  return inner.map((part) => {
    const [head = "", ...body] = part.trim().split("\n\n");
    return { head, body: body.join("\n\n") };
  });
}

test("without user data the cloud-config of the keys has the agent, too", () => {
  expect(seed(null)).toBe(`#cloud-config\n${AGENT.config.join("\n")}\n`);
  expect(seed(null, KEY)).toBe(`#cloud-config\nssh_authorized_keys:\n  - "${KEY}"\n${AGENT.config.join("\n")}\n`);
});

test.each(["#cloud-config\npackages: [nginx]\n", "#!/bin/sh\necho ñ\n", "## template: jinja\n#cloud-config\n{}\n"])(
  "user data %j is a part as it is, and the agent is added behind it to its lists",
  (given) => {
    const [own, agent, ...others] = parts(seed(given));
    expect(own?.head).toContain("text/plain");
    const isEncoded = own?.head.includes("base64");
    expect(isEncoded ? Buffer.from(own?.body ?? "", "base64").toString() : `${own?.body}\n`).toBe(given);
    expect(agent?.head).toMatch(/text\/cloud-config.*\nX-Merge-Type: .*list\(append\)/);
    expect(agent?.body).toMatch(/^#cloud-config\npackages:\n {2}- qemu-guest-agent\n/);
    expect(others).toEqual([]);
  },
);

test("user data that is an archive is a part with all of its own", () => {
  const archive = 'Content-Type: multipart/mixed; boundary="B"\nMIME-Version: 1.0\n\n--B\n\n#!/bin/sh\n--B--\n';
  for (const given of [archive, `From nobody Fri Jan  1 00:00:00 2010\n${archive}`])
    expect(seed(given)).toContain(`\n${archive}\n--estrato-`);
});

test("create says where no agent will answer, and what has one installed", async () => {
  const made = async (properties: Image["properties"], agent: boolean): Promise<string[]> => {
    const estate = newEstate((state) => {
      for (const image of Object.values(state.images)) Object.assign(image.properties, properties);
    });
    const world = command(estate);
    const notes: string[] = [];
    const report = { ...world.report, note: (text: string) => void notes.push(text) };
    await createInstance({ ...world, report }, { ...creation(), agent });
    return notes.filter((note) => note.includes("agent"));
  };
  const SAID = [
    expect.stringMatching(/^instance web1: image debian12 brings no guest agent: every snapshot .* --agent /),
  ];
  expect(await made({}, false)).toEqual([]);
  const bare = { isAsked: true, hasChannel: false };
  expect(agentNote(emptyState(), { kind: "image", id: "" }, bare)).toMatch(/no channel/);
  expect(await made({ os_distro: "debian" }, false)).toEqual(SAID);
  expect(await made({ os_distro: "debian" }, true)).toEqual([]);
  expect(await made({ os_distro: "ubuntu", hw_qemu_guest_agent: "yes" }, false)).toEqual([]);
  expect(await made({ os_distro: "fedora" }, false)).toEqual([]);
  expect(await made({ hw_qemu_guest_agent: "no" }, false)).toEqual(SAID);
});
