/**
 * Random histories of a guest: verbs, writes, power, and kills anywhere. After each, every disk and every snapshot
 * reads as the model says.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { repair } from "../../../src/core/doctor/doctor.ts";
import { createImageFromSnapshot } from "../../../src/core/images/create-from-snapshot.ts";
import { deleteImage } from "../../../src/core/images/delete.ts";
import { startInstance } from "../../../src/core/instances/start.ts";
import { stopInstance } from "../../../src/core/instances/stop.ts";
import { collect } from "../../../src/core/layers/collect.ts";
import { recoverAll } from "../../../src/core/operations/recovery.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../src/core/snapshots/delete.ts";
import { revertSnapshot, unrevertSnapshot } from "../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../src/core/volumes/create.ts";
import { CLUSTER_BYTES, type Content, type CrashPhase } from "../../fake/host.ts";
import { Crash } from "../../fake/store.ts";
import { requireSound } from "./crashes.ts";
import {
  type Bed,
  type CrashPoint,
  command,
  contentsOf,
  creation,
  disksOf,
  type Process,
  start,
  stateOf,
  stop,
  UUID,
  withGuest,
  write,
} from "./world.ts";

const VERBS = [
  "create",
  "create",
  "revert",
  "unrevert",
  "delete",
  "delete",
  "image",
  "image delete",
  "stop",
  "start",
] as const;
const DAY_MS = 86_400_000;

interface Event {
  readonly verb: (typeof VERBS)[number];
  readonly pick: number;
  readonly quiesce: boolean;
  readonly writes: readonly number[];
  readonly kill: Kill | null;
}

interface Kill {
  readonly at: "write" | "action";
  readonly index: number;
  readonly phase: CrashPhase;
  /** The recovery is killed too. */
  readonly again: Kill | null;
  readonly writes: boolean;
  readonly stops: boolean;
}

const flat = {
  at: fc.constantFrom("write", "action"),
  index: fc.nat(8),
  phase: fc.constantFrom("before", "midway", "after"),
} as const;
const again = fc.record({ ...flat, again: fc.constant(null), writes: fc.boolean(), stops: fc.boolean() });
const kill = fc.record({ ...flat, again: fc.option(again, { freq: 2 }), writes: fc.boolean(), stops: fc.boolean() });
const event: fc.Arbitrary<Event> = fc.record({
  verb: fc.constantFrom(...VERBS),
  pick: fc.nat(100),
  quiesce: fc.boolean(),
  writes: fc.array(fc.nat(11), { maxLength: 3 }),
  kill: fc.option(kill, { freq: 2 }),
});

type Disks = Record<string, Content>;

class History {
  readonly on: Bed;
  readonly kept = new Map<string, Disks>();
  count = 0;

  private constructor(running: boolean, raw: boolean, encrypted: boolean) {
    const root = { content: { 0: "boot", 1: "root" }, format: raw ? "raw" : "qcow2" } as const;
    this.on = withGuest({ running, disks: encrypted ? [root] : [root, { content: { 0: "data" } }] });
  }

  /** `encrypted`: its second disk is an encrypted volume. */
  static async begin(running: boolean, raw: boolean, encrypted: boolean): Promise<History> {
    const history = new History(running, raw, encrypted);
    if (!encrypted) return history;
    const { on } = history;
    const passphraseFile = "/root/key";
    command(on).host.addFile(passphraseFile, { format: "raw", text: "open sesame" });
    const wanted = { name: "data1", source: null, sizeBytes: 16 * CLUSTER_BYTES, passphraseFile };
    await createVolume(command(on), wanted);
    await attachVolume(command(on), "web1", "data1");
    return history;
  }

  async happen(one: Event): Promise<void> {
    this.on.clock.advance(60_000);
    for (const cluster of one.writes) this.write(cluster);
    const held = await disksOf(this.on);
    const point: CrashPoint | undefined = one.kill === null ? undefined : pointOf(one.kill);
    const world = command(this.on, point === undefined ? {} : { crash: point });
    const target = await this.target(one);
    const wish = target === null ? null : (this.kept.get(target) ?? null);
    try {
      await this.verb(world, one, target);
    } catch (error) {
      if (error instanceof Crash) {
        await this.dead(one.kill);
      } else if ((error as { code?: string }).code !== "conflict") throw error;
    }
    await this.check(one, held, wish);
  }

  private write(cluster: number): void {
    const domain = this.on.machine.domains.get(UUID);
    if (domain?.state !== "running" || domain.frozen) return;
    this.count += 1;
    write(this.on, cluster, `w${this.count}`, this.count % 3 === 0 ? "vdb" : "vda");
  }

  /**
   * What happens between a death and the recovery, which may be killed too. `held` moves on with what the guest writes.
   */
  private async dead(how: Kill | null): Promise<void> {
    this.last = null;
    for (let now = how; now !== null; now = now.again) {
      this.on.disk.locks.clear();
      if (now.writes) this.write(3);
      // Of one that is off by now only its definition tells, which libvirtd may have died before it wrote.
      if (this.last === null || this.on.machine.domains.get(UUID)?.live !== null) this.last = await disksOf(this.on);
      if (now.stops) await stop(this.on);
      const world = command(this.on, now.again === null ? {} : { crash: pointOf(now.again) });
      try {
        await recoverAll(world);
        await collect(world);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
    }
    this.on.disk.locks.clear();
    await repair(command(this.on));
    // What libvirtd did not note is learnt by a stop and a start.
    if (this.on.machine.domains.get(UUID)?.live !== null) {
      const held = await disksOf(this.on);
      await stop(this.on);
      await start(this.on);
      expect(await disksOf(this.on)).toEqual(held);
    }
  }

  private last: Disks | null = null;

  private async target({ verb, pick }: Event): Promise<string | null> {
    const state = await stateOf(this.on);
    if (verb === "unrevert") return state.instances[UUID]?.undo ?? null;
    const all = Object.keys(verb === "image delete" ? state.images : state.snapshots);
    return all[pick % Math.max(1, all.length)] ?? null;
  }

  private async verb(world: Process, { verb, pick, quiesce }: Event, target: string | null): Promise<unknown> {
    const keep = { discard: pick % 4 === 0, keepMs: DAY_MS };
    if (verb === "create")
      return createSnapshot(world, creation(`s${this.on.clock.now().getTime()}`, { quiesce: quiesce ? "try" : "off" }));
    if (verb === "stop") return stopInstance(world, "web1", { force: true, timeoutMs: 0, wait: true });
    if (verb === "start") return startInstance(world, "web1");
    if (target === null) return null;
    if (verb === "revert") return revertSnapshot(world, target, keep);
    if (verb === "unrevert") return unrevertSnapshot(world, "web1", keep);
    if (verb === "delete") return deleteSnapshot(world, target, { children: pick % 5 === 0 });
    if (verb === "image delete") return deleteImage(world, target);
    return createImageFromSnapshot(world, {
      name: `i${this.on.clock.now().getTime()}`,
      properties: {},
      minDiskBytes: null,
      minRamBytes: null,
      protect: false,
      snapshot: target,
    });
  }

  /**
   * The disks hold what they held (and what was written after a death), or what was asked for; all that was kept reads
   * the same.
   */
  private async check({ verb, kill: killed }: Event, before: Disks, wish: Disks | null): Promise<void> {
    const held = this.last ?? before;
    this.last = null;
    await requireSound(this.on, verb);
    const now = await disksOf(this.on);
    const reverting = (verb === "revert" || verb === "unrevert") && wish !== null;
    if (!reverting) expect(now).toEqual(held);
    else if (killed === null) expect(now).toEqual(wish);
    else expect([held, wish]).toContainEqual(now);
    const state = await stateOf(this.on);
    const there = [...Object.keys(state.snapshots), ...Object.keys(state.images)];
    if (verb !== "delete" && verb !== "unrevert" && verb !== "image delete")
      for (const id of this.kept.keys()) expect(there, `${verb} lost ${id}`).toContain(id);
    for (const id of this.kept.keys()) if (!there.includes(id)) this.kept.delete(id);
    for (const id of there) {
      const content = await contentsOf(this.on, id);
      const known = this.kept.get(id);
      if (known !== undefined) expect(content, id).toEqual(known);
      this.kept.set(id, content);
    }
  }
}

function pointOf({ at, index, phase }: Kill): CrashPoint {
  return at === "action" ? { at, index, phase } : { at, index, phase: phase === "midway" ? "after" : phase };
}

describe("whatever happens to a guest", () => {
  test("its disks and its snapshots read as they should, killed or not", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        fc.array(event, { minLength: 4, maxLength: 14 }),
        async (running, raw, encrypted, events) => {
          const history = await History.begin(running, raw, encrypted);
          for (const one of events) await history.happen(one);
        },
      ),
      { numRuns: 250 },
    );
  });
});
