/** The words of the model as the journal remembers them: what is read back is checked before anything is done by it. */
import * as v from "valibot";
import type { Action } from "./action.ts";
import type { DiskFile, NewDisk } from "./host.ts";

const diskFile = {
  path: v.string(),
  format: v.string(),
  encryption: v.exactOptional(
    v.object({ secret: v.string(), backing: v.array(v.object({ path: v.string(), format: v.string() })) }),
  ),
};

export const diskFileSchema: v.GenericSchema<unknown, DiskFile> = v.object(diskFile);

export const newDiskSchema: v.GenericSchema<unknown, NewDisk> = v.object({
  ...diskFile,
  device: v.string(),
  readonly: v.boolean(),
  serial: v.nullable(v.string()),
});

const path = v.string();

/** What a file that is given up may need: an entry that says anything else is not ours. */
export const givingUpSchema: v.GenericSchema<unknown, Action> = v.variant("do", [
  v.object({ do: v.literal("unlink"), path }),
  v.object({ do: v.literal("set-mode"), path, mode: v.number(), ifThere: v.exactOptional(v.literal(true)) }),
  v.object({
    do: v.literal("set-owner"),
    path,
    uid: v.number(),
    gid: v.number(),
    ofLink: v.exactOptional(v.literal(true)),
  }),
  v.object({ do: v.literal("mark-use"), path, on: v.boolean() }),
]);
