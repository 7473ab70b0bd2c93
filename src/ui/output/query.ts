/** --query: JMESPath (jmespath.org), with the literals in backticks that `aws` users write. */
import { EstratoError } from "../../errors.ts";
import type { Json } from "./json.ts";

const OPTIONS = { enable_legacy_literals: true };

/** Runs later, fails now: throws "usage" where the expression is malformed. */
export async function compileQuery(expression: string): Promise<(value: Json) => Json> {
  const { compile, search } = await import("@jmespath-community/jmespath");
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
      throw new EstratoError("usage", `--query ${JSON.stringify(expression)}: ${why}`, {
        hint: "See https://jmespath.org for the language.",
        cause,
      });
    }
  };
  attempt(() => compile(expression, OPTIONS));
  return (value) => attempt(() => search(value as Parameters<typeof search>[0], expression, OPTIONS) as Json);
}
