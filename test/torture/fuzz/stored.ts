/** What lies in folders that others can write: backups in a target, and images that others share. */
import fc from "fast-check";
import { sha256 } from "../../../src/core/backups/manifest.ts";
import { command } from "../../unit/core/world.ts";
import { DEFINITIONS } from "./definitions.ts";
import { kind } from "./kind.ts";
import { type Bed, estate, requireSound, TARGET } from "./lines.ts";
import { type Json, mutatedJson, mutatedJsonText, mutatedText, nastyText } from "./mutate.ts";

/** The text of a manifest whose sum is right: what is wrong in it is to be found by looking. */
function manifestText(manifest: unknown): string {
  const sum = sha256(JSON.stringify(manifest, null, 2) ?? "");
  return `${JSON.stringify({ manifest, sha256: sum }, null, 2)}\n`;
}

const backups = (on: Bed) => [...on.machine.files.keys()].filter((path) => path.endsWith("/manifest.json")).sort();
const made = await estate();
const textOf = (on: Bed, path: string) => on.machine.files.get(path)?.text ?? "";
const MANIFESTS = backups(made).map((path) => JSON.parse(textOf(made, path)).manifest as Json);
const [FIRST = ""] = backups(made);
const ID = FIRST.split("/").at(-2) ?? "";
const NOTES: Json[] = [
  { format: 1, id: "00000000-0000-4000-8000-000000000002" },
  { format: 1, foundAt: "2025-01-01T00:00:00.000Z", problems: ["vda.qcow2: block 3"] },
  { format: 1, store: "a", home: "/b", instance: "c" },
];

/** Files that another user has put there: a path, and what it holds. */
type Damage = readonly (readonly [path: string, text: string])[];
const put = (path: string, text: string): Damage => [[path, text]];

function befall(on: Bed, damage: Damage): void {
  for (const [path, text] of damage) command(on).host.addFile(path, { format: "raw", text, uid: 1001, mode: 0o644 });
}

const damage: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 8, arbitrary: mutatedJson(MANIFESTS.slice(0, 1)).map((one) => put(FIRST, manifestText(one))) },
  { weight: 2, arbitrary: mutatedText([textOf(made, FIRST)]).map((text) => put(FIRST, text)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          "estrato-target.json",
          `${ID}/damaged.json`,
          `${ID}/use-lay-00000000000000001.json`,
          `${ID}/void.json`,
        ),
        mutatedJsonText(NOTES),
      )
      .map(([name, text]) => put(`${TARGET}/${name}`, text)),
  },
  {
    weight: 3, // a definition that its manifest vouches for
    arbitrary: mutatedText(DEFINITIONS).map((xml): Damage => {
      const manifest = structuredClone(MANIFESTS[0]) as { definition: { file: string; sha256: string } };
      manifest.definition.sha256 = sha256(xml);
      return [...put(FIRST, manifestText(manifest)), ...put(`${TARGET}/${ID}/${manifest.definition.file}`, xml)];
    }),
  },
  {
    weight: 2, // names in a target
    arbitrary: fc
      .tuple(nastyText, fc.constantFrom("", `${ID}/`, "bak-"), nastyText)
      .map(([name, folder, text]) =>
        put(`${TARGET}/${folder}${name.replaceAll(/[/\0]/g, "_").slice(0, 200) || "_"}/manifest.json`, text),
      ),
  },
);

const BACKUP_LINES = [
  "backup list",
  `backup show ${ID}`,
  `backup verify ${ID}`,
  `backup verify --all --target ${TARGET}`,
  `backup restore ${ID} --name back`,
  `backup restore ${ID} --as-it-was -y`,
  `backup restore ${ID} --name back --trust-definition -y`,
  `backup delete ${ID} -y`,
  `backup web1 --rotation 1 --target ${TARGET} --incremental`,
  `backup prune web1 --keep-last 1 --target ${TARGET} -y`,
  "doctor",
  "doctor --repair -y",
];

export const targets = kind(
  "targets",
  fc.tuple(fc.array(damage, { minLength: 1, maxLength: 2 }), fc.constantFrom(...BACKUP_LINES)),
  async ([damages, line]) => {
    const on = await estate();
    befall(on, damages.flat());
    await requireSound(on, line.split(" "));
  },
  40,
);

const EVE = { name: "eve", uid: 1001, home: "/home/eve" };
const STORE = "/home/eve/.local/share/estrato";
const GOLDEN = "img-00000000000000abc";
const ENTRY: Json = {
  version: 1,
  id: GOLDEN,
  name: "golden",
  owner: "eve",
  type: "base",
  visibility: "public",
  minDiskBytes: 0,
  minRamBytes: 0,
  createdAt: "2025-01-01T00:00:00.000Z",
  properties: { os: "debian" },
  uefi: false,
  disks: [{ device: "vda", sizeBytes: 1048576, files: [`${STORE}/layers/lay-0000000000000000b.qcow2`] }],
};
const IMAGE_LINES = [
  "image list",
  "image show golden",
  "image show eve/golden",
  "instance create web9 --image eve/golden --vcpus 1 --ram 256M",
  "volume create more --image golden",
  "image list -f json --filter owner=eve",
  "doctor",
];

export const shared = kind(
  "shared",
  fc.tuple(mutatedJsonText([ENTRY]), fc.constantFrom(...IMAGE_LINES)),
  async ([text, line]) => {
    const on = await estate();
    on.machine.users = [EVE];
    befall(on, put(`${STORE}/shares/${GOLDEN}.json`, text));
    command(on).host.addFile(`${STORE}/layers/lay-0000000000000000b.qcow2`, {
      uid: 1001,
      mode: 0o444,
      content: { 0: "x" },
    });
    await requireSound(on, line.split(" "));
  },
  40,
);
