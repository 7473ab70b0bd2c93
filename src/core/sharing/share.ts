/** `image share` and `image unshare`: others read an image's files where they lie. No data moves. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { chain } from "../graph/references.ts";
import { findImageAgain } from "../images/find.ts";
import { type ImageView, viewImage } from "../images/view.ts";
import { awaitUnmerged } from "../layers/heads.ts";
import { withChange } from "../model/drafts.ts";
import type { Image, State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, repeat, type Step, unchanged } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { type Audience, audienceOf, audienceWords, NOBODY, setAudience } from "./access.ts";
import { cataloguePath, catalogueText, LONGEST_ENTRY_BYTES } from "./catalogue.ts";
import { findOwnImage } from "./find.ts";
import { closeFiles, closeUses, publish, SHARES_LOCK } from "./publish.ts";
import { requireReachable, requireShareable, requireUnused, usersNamed } from "./requirements.ts";

interface ShareData {
  readonly image: string;
  readonly before: Audience;
  readonly after: Audience;
}

const users = v.array(v.object({ name: v.string(), uid: v.number() }));
const audience = v.object({ everybody: v.boolean(), users });
const kept = { version: 1, data: v.object({ image: v.string(), before: audience, after: audience }) };

export const shareKind: Kind<ShareData> = {
  name: "image.share",
  ...kept,
  recover: (world, locks, data) => recoverShare(world, locks, data, true),
};

export const unshareKind: Kind<ShareData> = {
  name: "image.unshare",
  ...kept,
  recover: (world, locks, data) => recoverShare(world, locks, data, false),
};

export interface ShareWishes {
  readonly users: readonly string[]; // names
  readonly everybody: boolean;
}

/**
 * Lets users, or everybody, use an image from their own stores. Throws "not_found" for a user that is not there,
 * "conflict" for a shelved image, "host" where the image has files that others could not read: encrypted, not in the
 * store, firmware of its own, or behind a closed folder.
 */
export async function shareImage(world: World, target: string, wishes: ShareWishes): Promise<ImageView | PlanView> {
  const { id } = await findOwnImage(world, await world.store.read(), target, "share");
  const users = await usersNamed(world, wishes.users);
  return withLocks(world, [id, SHARES_LOCK], async (locks) => {
    const early = findImageAgain(await world.store.read(), id, target);
    const layers = early.disks.map(({ layer }) => layer);
    const state = await awaitUnmerged(world, layers, `image ${early.name}`);
    const image = findImageAgain(state, id, target);
    await requireShareable(world, state, image);
    for (const user of users) await requireReachable(world, user);
    if (wishes.everybody) await requireReachable(world, null);
    const before = audienceOf(image);
    const others = before.users.filter(({ uid }) => users.every((one) => one.uid !== uid));
    const added = users.map(({ name, uid }) => ({ name, uid }));
    const after = { everybody: before.everybody || wishes.everybody, users: [...others, ...added] };
    const planned = withAudience(state, id, after);
    const steps: Step[] = [
      {
        id: "record",
        title: `Record that ${audienceWords(after)} may use it`,
        run: () => record(world, id, after, true),
      },
      {
        id: "open-files",
        title: "Open its files, and tell where they are",
        actions: publish(world.store.paths, planned, id),
      },
    ];
    return change(world, locks, shareKind, { image: id, before, after }, steps);
  });
}

/**
 * Takes an image back, from one user or (null) from all. Throws "conflict", with nothing changed, where one of them
 * still uses it, naming him; and where one user is named and it is shared with everybody.
 */
export async function unshareImage(
  world: World,
  target: string,
  users: readonly string[],
): Promise<ImageView | PlanView> {
  const { id } = await findOwnImage(world, await world.store.read(), target, "unshare");
  return withLocks(world, [id, SHARES_LOCK], async (locks) => {
    const state = await world.store.read();
    const image = findImageAgain(state, id, target);
    const before = audienceOf(image);
    const after =
      users.length === 0 ? NOBODY : { ...before, users: before.users.filter(({ name }) => !users.includes(name)) };
    const stranger = users.find((name) => before.users.every((one) => one.name !== name));
    if (users.length > 0 && before.everybody) {
      throw new EstratoError("conflict", `image ${image.name}: it is shared with everybody`, {
        hint: `Take it back from all: estrato image unshare ${image.name}.`,
      });
    }
    if (stranger !== undefined) {
      throw new EstratoError("not_found", `image ${image.name}: it is not shared with ${stranger}`, {
        hint: `It is shared with ${audienceWords(before) || "nobody"}.`,
      });
    }
    return unshareLocked(world, locks, state, image, after);
  });
}

/** The same under locks that the caller holds: the image's and SHARES_LOCK. */
export async function unshareLocked(
  world: World,
  locks: HeldLocks,
  state: State,
  image: Image,
  after: Audience = NOBODY,
): Promise<ImageView | PlanView> {
  const before = audienceOf(image);
  if (same(before, after)) return unchanged(world, viewImage(state, image));
  const left = without(before, after);
  await requireUnused(world, image, left);
  return change(
    world,
    locks,
    unshareKind,
    { image: image.id, before, after },
    closing(world, state, image, left, after),
  );
}

/**
 * What takes an image back. The files are closed before the layers may move again: from then on their modes are
 * somebody else's business.
 */
function closing(world: World, state: State, image: Image, left: Audience, after: Audience): Step[] {
  const { paths } = world.store;
  const isLast = !after.everybody && after.users.length === 0;
  const planned = withAudience(state, image.id, after);
  const files = isLast ? closeFiles(paths, planned, image.id) : publish(paths, planned, image.id);
  return [
    {
      id: "close-files",
      title: "See that nobody uses it, and close its files",
      actions: [...closeUses(paths, image.id, left, isLast), ...files],
    },
    { id: "record", title: "Record it", run: () => record(world, image.id, after, false) },
  ];
}

async function change(
  world: World,
  locks: HeldLocks,
  kind: Kind<ShareData>,
  data: ShareData,
  steps: readonly Step[],
): Promise<ImageView | PlanView> {
  const early = (await world.store.read()).images[data.image];
  const result = async () => {
    const state = await world.store.read();
    return viewImage(state, findImageAgain(state, data.image, data.image));
  };
  return run(world, locks, { kind, target: early?.name ?? data.image, data, steps, result });
}

/** `opening`: a merge that began meanwhile is moving what would be read. */
async function record(world: World, id: string, audience: Audience, opening: boolean): Promise<void> {
  await world.store.update((draft) => {
    const image = findImageAgain(draft, id, id);
    const busy = image.disks.flatMap(({ layer }) => chain(draft, layer)).some((one) => draft.layers[one]?.busy);
    if (opening && busy) {
      throw new EstratoError("conflict", `image ${image.name}: its layers are being merged`, { hint: "Try again." });
    }
    setAudience(image, audience);
  });
}

/**
 * A sharing is done when the catalogue says so; one that was cut off before is undone. A taking back is done when the
 * state says so. Either way files and folders are then made to say what the state says. Repeatable.
 */
async function recoverShare(
  world: World,
  locks: HeldLocks,
  { image: id, before, after }: ShareData,
  sharing: boolean,
): Promise<Outcome> {
  const { paths } = world.store;
  const state = await world.store.read();
  const image = state.images[id];
  const isRecorded = image !== undefined && same(audienceOf(image), after);
  // What is recorded last needs nothing more; what is recorded first has done nothing yet.
  if (image === undefined || (!sharing && isRecorded)) return "forward";
  if (sharing && !isRecorded) return "back";
  if (sharing) {
    const published = await world.host.readText(cataloguePath(paths, id), LONGEST_ENTRY_BYTES);
    if (published?.text !== catalogueText(state, image)) {
      for (const step of closing(world, state, image, without(after, before), before)) await repeat(world, locks, step);
      return "back";
    }
  }
  await perform(world, locks, publish(paths, state, id));
  return isRecorded ? "forward" : "back";
}

/** Those of `all` who are not among `others`. */
function without(all: Audience, others: Audience): Audience {
  return {
    everybody: all.everybody && !others.everybody,
    users: all.users.filter(({ uid }) => others.users.every((one) => one.uid !== uid)),
  };
}

function same(a: Audience, b: Audience): boolean {
  const ids = ({ users }: Audience) =>
    users
      .map(({ uid }) => uid)
      .sort()
      .join(" ");
  return a.everybody === b.everybody && ids(a) === ids(b);
}

function withAudience(state: State, id: string, audience: Audience): State {
  return withChange(state, ({ images: { [id]: image } }) => {
    if (image !== undefined) setAudience(image, audience);
  });
}
