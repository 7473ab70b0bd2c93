/** The things that are remembered, for those who may know core but not the store. */
export type {
  Flavor,
  Image,
  Instance,
  Keypair,
  Layer,
  OperationEvent,
  Snapshot,
  SnapshotDisk,
  State,
  Volume,
} from "../store/schema.ts";
