/** What gives instances new disks: `instance rebuild`. */
import { command } from "../../core/world.ts";
import { befallen, busy, printed } from "../estate.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { rebuilt } from "./contract.ts";

const KEPT_NOW = "before-rebuild-20250101-120000";
const KEPT_OF = (name: string) => `snapshot list ${name} --filter automatic=true -f value -c name`;

export const rebuilding: NounLines = {
  rebuild: {
    well: [
      {
        line: "instance rebuild web2 -y",
        json: rebuilt({ instance: "web2", kept: KEPT_NOW }),
        plan: ["qemu-img create", "sed --binary", "define"],
        after: [KEPT_OF("web2"), `${KEPT_NOW}\n`],
      },
      {
        line: "instance rebuild web1 --image debian12 --trust-owner -y",
        json: rebuilt({}),
        notes: [`web1: what its memory held is lost; what its disks held is kept as ${KEPT_NOW}`],
        plan: ["destroy", "start", "What is in the guest's memory will be lost."],
      },
      {
        line: "instance rebuild --filter properties.role=front -y",
        before: async (on) => {
          await printed(on, "instance stop web1 --force");
          await printed(on, "instance set web2 --property role=front");
        },
        json: [rebuilt({ instance: "web1" }), rebuilt({ instance: "web2" })],
        plan: ["qemu-img create", "define"],
      },
      {
        line: "instance rebuild web2 -y",
        before: async (on) => {
          await command(on).store.update((draft) => void delete draft.images["img-debian12"]);
        },
        json: rebuilt({ instance: "web2" }),
        plan: ["define"],
      },
    ],
    refused: refusals(
      ["instance rebuild web2 --filter status=active -y", 2, "either chooses"],
      ["instance rebuild --filter statsu=active -y", 2, "Did you mean status?"],
      ["instance rebuild --filter status=nothing -y", 4, "no instance fits status=nothing"],
      ["instance rebuild nosuch -y", 4, "instance nosuch: not found"],
      ["instance rebuild nosuch", 4, "instance nosuch: not found"],
      ["instance rebuild web1 --image nosuch -y", 4, "image nosuch: not found"],
      ["instance rebuild legacy -y", 5, "instance legacy: it was made from no image"],
      ["instance rebuild legacy --image debian12 -y", 5, "image debian12: it is of a guest", uefi],
      ["instance rebuild put-by -y", 5, "it is shelved"],
      ["instance rebuild web2 -y", 5, "saved", befallen("web2", { managedSave: true })],
      ["instance rebuild web2 -y", 5, "another operation is in progress", busy("web2")],
    ),
    asks: [
      {
        line: "instance rebuild web2",
        asks: "Rebuild web2? What its disks hold is kept for 1 d; what is in memory is lost.",
        loses: ["web2"],
        after: [KEPT_OF("web2"), `${KEPT_NOW}\n`],
      },
      {
        line: "instance rebuild --filter flavor=tiny --image debian12",
        asks: "Rebuild web2 on debian12? What its disks hold is kept for 1 d; what is in memory is lost.",
        loses: ["web2"],
        after: [KEPT_OF("web2"), `${KEPT_NOW}\n`],
      },
    ],
    several: { good: "web2", options: "-y", words: "instances rebuilt", countsDone: true },
  },
};

/** The image is of a guest with other firmware. */
async function uefi(on: Parameters<typeof command>[0]): Promise<void> {
  await command(on).store.update((draft) => {
    const image = draft.images["img-debian12"];
    if (image) image.uefi = true;
  });
}
