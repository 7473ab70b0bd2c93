/** What is edited without the parser comes out as the parser would have it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { DefinitionEdit } from "../../../src/core/model/host.ts";
import { editDefinition, editedByParser } from "../../../src/host/domain-edit.ts";
import { plainlyEdited } from "../../../src/host/plain-edit.ts";
import { readPlain } from "../../../src/host/plain-xml.ts";
import { parseXml, serializeXml } from "../../../src/host/xml.ts";
import { DEFINITIONS } from "../../torture/fuzz/definitions.ts";
import { mutatedText } from "../../torture/fuzz/mutate.ts";

/** What a live snapshot leaves in a disk, and what else may stand there. */
const IN_DISKS = [
  "\n      <backingStore type='file'>\n        <format type='qcow2'/>\n        <source file='/b'/>\n        <backingStore/>\n      </backingStore>",
  "<backingStore/>",
  "\n      <mirror type='file' job='copy' ready='yes'><source file='/m'/></mirror>",
  "<encryption format='luks'><secret type='passphrase' uuid='1'/></encryption>",
  "<!-- a word -->\n      ",
  " a word ",
];
const SOURCES = [
  "<source file='/a &amp; b' startupPolicy='optional' index='2'/>",
  "<source dev='/dev/x'>\n        <seclabel model='dac' relabel='no'/>\n        <slices/>\n      </source>",
  "<source file='/e'><encryption format='luks'><secret type='passphrase' uuid='1'/></encryption></source>",
  "",
];
const FILES = ["/layers/new.qcow2", "/a 'quoted' & \"odd\" <one>", "/dev/vg/disk"];

const disk = fc.record({
  device: fc.constantFrom("vda", "vdb", "vdc"),
  source: fc.constantFrom(...SOURCES),
  driver: fc.constantFrom("<driver name='qemu' type='raw'/>", "<driver type='qcow2' cache='none'/>", ""),
  before: fc.constantFrom("", ...IN_DISKS),
  after: fc.constantFrom("", ...IN_DISKS),
});
const defined = fc
  .tuple(fc.constantFrom(...DEFINITIONS), fc.array(disk, { maxLength: 3 }))
  .map(([xml, disks]) =>
    xml.replace(
      "</devices>",
      () =>
        `${disks
          .map(
            (one) =>
              `  <disk type='file' device='disk'>\n      ${one.driver}${one.source}${one.before}<target dev='${one.device}'/>${one.after}\n    </disk>\n  `,
          )
          .join("")}</devices>`,
    ),
  );
const edits: fc.Arbitrary<DefinitionEdit> = fc.record(
  {
    disks: fc.dictionary(
      fc.constantFrom("vda", "vdb"),
      fc.record({ path: fc.constantFrom(...FILES), format: fc.constantFrom("qcow2", "raw") }),
      { maxKeys: 2 },
    ),
    dropBackingStore: fc.boolean(),
  },
  { requiredKeys: [] },
);

test("other files for disks are put into the text as the parser would put them in", () => {
  let [edited, left] = [0, 0];
  fc.assert(
    fc.property(fc.oneof(defined, mutatedText(DEFINITIONS)), edits, (xml, edit) => {
      const root = readPlain(xml);
      const text = root?.tagName === "domain" ? plainlyEdited(xml, root, edit) : null;
      if (text === null) {
        left += 1;
        return;
      }
      edited += 1;
      expect(serializeXml(parseXml(text, "domain"))).toBe(editedByParser(xml, edit));
    }),
    { numRuns: 1_000, seed: 12 },
  );
  expect(Math.min(edited, left)).toBeGreaterThan(100);
});

test("a definition that says already what it should is the same text afterwards", () => {
  const [xml = ""] = DEFINITIONS;
  const disks = { vda: { path: "/disks/a.qcow2", format: "qcow2" } };
  expect(editDefinition(xml, { disks, dropBackingStore: true })).toBe(xml);
});

test("a new generation id takes the place of the one before", () => {
  const [xml = ""] = DEFINITIONS;
  const once = editDefinition(xml, { newGenerationId: true });
  const twice = editDefinition(once, { newGenerationId: true });
  expect(twice).not.toBe(once);
  expect(twice.match(/<genid>/g)).toHaveLength(1);
  expect(twice.replace(/<genid>.*<\/genid>/, "")).toBe(xml);
});
