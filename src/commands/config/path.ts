import { text } from "../../ui/output/columns.ts";
import { oneOf } from "../../ui/output/shape.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";

interface Place {
  readonly scope: string;
  readonly path: string;
}

export default verb({
  description: "Prints the files that settings are stored in. The user's wins over the system's.",
  result: result.list([
    text<Place>("scope", (place) => place.scope, { shape: oneOf("system", "user") }),
    text<Place>("path", (place) => place.path),
  ]),
  changes: false,
  withoutSettings: true,
  examples: [{ line: "estrato config path --filter scope=user -f value -c path", says: "your own file" }],
  async run({ factory }) {
    const { files } = await factory.settings();
    return Object.entries(files).map(([scope, path]) => ({ scope, path }));
  },
});
