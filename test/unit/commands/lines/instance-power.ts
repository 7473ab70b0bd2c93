/** What turns instances on and off: `instance start`, `stop`, `reboot`, `pause` and `resume`. */
import type { Bed } from "../../core/world.ts";
import { befallen, busy, domainOf } from "../estate.ts";
import { type NounLines, refusals, type Several } from "../verb-lines.ts";
import { instanceDetail } from "./contract.ts";

const statusOf = (name: string) => `instance show ${name} -f value -c status`;
const shown = (name: string, status: string) => instanceDetail({ name, status });
const several = (good: string, verb: string): Several => ({ good, words: `instances failed to ${verb}` });

export const powering: NounLines = {
  start: {
    well: [
      {
        line: "instance start web2",
        json: shown("web2", "active"),
        plan: ["virsh"],
        after: [statusOf("web2"), "active\n"],
      },
      { line: "instance start web1", json: shown("web1", "active"), plan: [] },
      { line: "instance start web2 --wait agent --timeout 2m", json: shown("web2", "active"), plan: ["start"] },
    ],
    refused: [
      ...refusals(
        ["instance start web2 --wait nothing", 2, "Give one of address, agent"],
        ["instance start web2 --timeout soon", 2, "not a duration"],
        ["instance start nosuch", 4, "instance nosuch: not found"],
        ["instance start web1", 5, "it is paused", "instance pause web1"],
        ["instance start put-by", 5, "it is shelved"],
        ["instance start web2", 5, "instance web2: another operation is in progress", busy("web2")],
        ["instance start web2", 9, "lay-debian12-vda", onTheImage],
      ),
      {
        line: "instance start web2 --wait agent --timeout 1s",
        exit: 7,
        says: "no agent within 1 s",
        before: befallen("web2", { agent: false }),
        late: true,
      },
    ],
    several: several("web2", "start"),
  },

  stop: {
    well: [
      {
        line: "instance stop web1",
        json: shown("web1", "shutoff"),
        plan: ["shutdown", "destroy"],
        after: [statusOf("web1"), "shutoff\n"],
      },
      { line: "instance stop web2", json: shown("web2", "shutoff"), plan: [] },
      { line: "instance stop web1 --force", json: shown("web1", "shutoff"), plan: ["destroy"] },
      {
        line: "instance stop web1 --timeout 5s",
        before: befallen("web1", { obedient: false }),
        json: shown("web1", "shutoff"),
        notes: ["web1: did not shut down within 5 s and was powered off"],
        plan: ["shutdown", "destroy"],
      },
      {
        line: "instance stop web1 --no-wait",
        before: befallen("web1", { obedient: false }),
        json: shown("web1", "active"),
        plan: ["shutdown"],
      },
    ],
    refused: refusals(
      ["instance stop nosuch", 4, "instance nosuch: not found"],
      ["instance stop web1", 5, "it is paused", "instance pause web1"],
      ["instance stop put-by", 5, "it is shelved"],
      ["instance stop web1", 5, "another operation is in progress", busy("web1")],
    ),
    several: several("web1", "stop"),
  },

  reboot: {
    well: [
      { line: "instance reboot web1", json: shown("web1", "active"), plan: ["reboot"] },
      { line: "instance reboot web1 --hard", json: shown("web1", "active"), plan: ["reset"] },
      { line: "instance reboot web2 --hard", json: shown("web2", "active"), plan: ["start"] },
    ],
    refused: refusals(
      ["instance reboot nosuch", 4, "instance nosuch: not found"],
      ["instance reboot web2", 5, "it is off"],
      ["instance reboot web1", 5, "it is paused", "instance pause web1"],
    ),
    several: several("web1", "reboot"),
  },

  pause: {
    well: [
      {
        line: "instance pause web1",
        json: shown("web1", "paused"),
        plan: ["suspend"],
        after: [statusOf("web1"), "paused\n"],
      },
      { line: "instance pause web1", before: "instance pause web1", json: shown("web1", "paused"), plan: [] },
    ],
    refused: refusals(
      ["instance pause nosuch", 4, "instance nosuch: not found"],
      ["instance pause web2", 5, "it is off"],
    ),
    several: several("web1", "pause"),
  },

  resume: {
    well: [
      { line: "instance resume web1", before: "instance pause web1", json: shown("web1", "active"), plan: ["resume"] },
      { line: "instance resume web1", json: shown("web1", "active"), plan: [] },
    ],
    refused: refusals(
      ["instance resume nosuch", 4, "instance nosuch: not found"],
      ["instance resume web2", 5, "it is off"],
    ),
    several: several("web1", "resume"),
  },
};

/** Somebody has defined web2 on the image's own layer. */
function onTheImage(on: Bed): void {
  const domain = domainOf(on, "web2");
  domain.inactive = domain.inactive.replace(/layers\/lay-\w+\.qcow2/, "layers/lay-debian12-vda.qcow2");
}
