/** A kind of input: how it is thrown, and what is done with it. */
import fc from "fast-check";
import { withinBounds } from "./oracle.ts";

export interface Kind {
  readonly name: string;
  /** Ends well where the program took the input, or refused it as it should. */
  readonly property: fc.IAsyncProperty<[unknown]>;
  /** So many are a short look: what takes more time is thrown less often. */
  readonly few: number;
}

/** `attempt` throws what is wrong; how much of the processor it may take is looked at here. */
export function kind<T>(name: string, input: fc.Arbitrary<T>, attempt: (input: T) => unknown, few = 400): Kind {
  const property = fc.asyncProperty(input, (one) => withinBounds(() => attempt(one)));
  return { name, property: property as Kind["property"], few };
}
