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

/** Which actions there are, and what each needs, the host knows: it refuses all others. */
export const actionSchema = v.custom<Action>(
  (value) => typeof value === "object" && value !== null && "do" in value && typeof value.do === "string",
  "no action",
);
