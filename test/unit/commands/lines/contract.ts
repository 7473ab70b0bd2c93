/** The objects that -f json prints, each key with its type: CLI.md, "JSON", and what has come since. */
import { expect } from "vitest";

const orNull = (check: (value: unknown) => boolean) =>
  expect.toSatisfy((value: unknown) => value === null || check(value));
const text = expect.any(String);
const textOrNull = orNull((value) => typeof value === "string");
const bytes = expect.toSatisfy((value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0);
const bytesOrNull = orNull((value) => Number.isSafeInteger(value));
const truth = expect.any(Boolean);
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const time = expect.stringMatching(TIME);
const timeOrNull = orNull((value) => TIME.test(String(value)));
const id = (prefix: string) => expect.stringMatching(new RegExp(`^${prefix}-[0-9a-f]{17}$`));
const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const uuidOrNull = orNull((value) => /^[0-9a-f-]{36}$/.test(String(value)));
const list = expect.any(Array);
const pairs = expect.any(Object);

type Change = Readonly<Record<string, unknown>>;

export const snapshot = (change: Change) => ({
  id: id("snap"),
  name: text,
  type: expect.stringMatching(/^(instance|volume)$/),
  status: expect.stringMatching(/^(available|expired)$/),
  instance: textOrNull,
  instance_id: uuidOrNull,
  volume: textOrNull,
  parent: orNull((value) => /^snap-[0-9a-f]{17}$/.test(String(value))),
  current: truth,
  memory: truth,
  consistency: expect.stringMatching(/^(offline|crash|filesystem|memory)$/),
  size_bytes: bytes,
  exclusive_bytes: bytes,
  automatic: truth,
  schedule: orNull((value) => /^sch-[0-9a-f]{17}$/.test(String(value))),
  owner: text,
  created_at: time,
  expires_at: timeOrNull,
  protected: truth,
  description: textOrNull,
  properties: pairs,
  disks: list,
  excluded: list,
  ...change,
});

export const snapshotDetail = (change: Change) =>
  snapshot({ restorable: truth, restorable_reason: textOrNull, requires: null, ...change });

export const rebuilt = (change: Change) => ({
  instance: "web1",
  image: "debian12",
  kept: text,
  kept_id: id("snap"),
  ...change,
});

export const reverted = (change: Change) => ({
  instance: "web1",
  volume: null,
  snapshot: text,
  kept: textOrNull,
  kept_id: orNull((value) => /^snap-[0-9a-f]{17}$/.test(String(value))),
  ...change,
});

export const backup = (change: Change) => ({
  id: id("bak"),
  name: textOrNull,
  type: text,
  instance: text,
  instance_id: uuid,
  status: "available",
  problem: null,
  incremental: truth,
  parent: orNull((value) => /^bak-[0-9a-f]{17}$/.test(String(value))),
  size_bytes: bytes,
  written_bytes: bytes,
  target: "/backups",
  created_at: time,
  protected: truth,
  consistency: text,
  compressed: truth,
  encrypted: truth,
  schedule: orNull((value) => /^sch-[0-9a-f]{17}$/.test(String(value))),
  owner: text,
  used_by: list,
  disks: list,
  ...change,
});

export const verified = (change: Change) => ({
  id: id("bak"),
  name: textOrNull,
  instance: text,
  status: "ok",
  problems: [],
  read_bytes: bytes,
  booted_ms: null,
  ...change,
});

export const instance = (change: Change) => ({
  id: uuid,
  name: text,
  status: text,
  flavor: textOrNull,
  vcpus: expect.any(Number),
  ram_bytes: bytesOrNull,
  image: textOrNull,
  image_id: textOrNull,
  key_name: textOrNull,
  addresses: list,
  macs: list,
  volumes: list,
  created_at: timeOrNull,
  managed: truth,
  owner: textOrNull,
  properties: pairs,
  ...change,
});

export const instanceDetail = (change: Change) =>
  instance({
    status_reason: textOrNull,
    autostart: truth,
    networks: list,
    forwards: list,
    current_snapshot: textOrNull,
    disks: list,
    ...change,
  });
