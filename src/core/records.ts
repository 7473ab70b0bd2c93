/** The things that are remembered, for those who may know core but not the store. */
export type * from "../store/schema.ts";
