/** The store as all verbs get it: nothing of it is touched where it is another machine's, or another libvirt's. */
import { EstratoError } from "../../errors.ts";
import type { Binding, State } from "../model/state.ts";
import type { LibvirtPort, StorePort } from "../ports.ts";
import { isSame, ofLibvirt, requireSame } from "./binding.ts";

export interface BindingOptions {
  /** This machine, and the libvirt that was asked for. */
  readonly here: Binding;
  /** Asked where a store that holds instances is bound for the first time: does this libvirt know any of them? */
  readonly host: () => Promise<Pick<LibvirtPort, "listDomains">>;
  readonly dryRun: boolean;
  /** A person has said that whoever it is bound to is gone: it is bound here, whatever it says. */
  readonly takenOver: () => boolean;
}

/**
 * The same store, once it is known to be ours: throws "host" where it is another's. One that is nobody's yet is bound
 * by the first lock, journal entry, record or change that is made through this, before it; whoever only reads changes
 * nothing, nor does a dry run.
 */
export async function boundStore(store: StorePort, options: BindingOptions): Promise<StorePort> {
  const { here, dryRun, takenOver } = options;
  const { home } = store.paths;
  const found = await store.binding();
  if (!takenOver()) requireSame(home, found, here);
  let settled = found !== null && isSame(found, here);
  let wished: boolean | undefined; // is it to be bound here, if it is nobody's?

  async function mayBind(): Promise<boolean> {
    if (!takenOver()) wished ??= await isLikelyOurs(await store.read(), options, home);
    return takenOver() || wished === true;
  }

  /** Under the lock of the state: another command may have bound it since we looked. */
  function bind(draft: State, isWished: boolean): void {
    if (!takenOver()) requireSame(home, draft.binding, here);
    if (draft.binding !== null && isSame(draft.binding, here)) return;
    if (isWished) draft.binding = { ...here };
  }

  const update: StorePort["update"] = async (change) => {
    const isWished = settled || (await mayBind());
    return store.update((draft) => {
      bind(draft, isWished);
      return change(draft);
    });
  };

  /** Before anything is written beside the state. A state that is damaged can be bound when it is mended. */
  async function bindFirst(): Promise<void> {
    if (settled || dryRun) return;
    try {
      await update(() => undefined);
      settled = true;
    } catch (error) {
      if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
    }
  }

  return {
    ...store,
    here,
    update,
    async lock(names, timeoutMs, signal) {
      // A store that is not there yet is made by what is stored in it, not by a refusal under the lock.
      if (await store.isThere()) await bindFirst();
      return store.lock(names, timeoutMs, signal);
    },
    journal: {
      ...store.journal,
      async open(entry) {
        await bindFirst();
        await store.journal.open(entry);
      },
    },
    async writeRecord(name, text) {
      await bindFirst();
      await store.writeRecord(name, text);
    },
  };
}

/**
 * A store from before there were bindings may be opened with the wrong libvirt first: where it holds instances and this
 * libvirt knows none of them, that is what has happened. Throws "host"; false where libvirt does not answer.
 */
async function isLikelyOurs(state: State, { here, host }: BindingOptions, home: string): Promise<boolean> {
  const expected = Object.values(state.instances).filter(({ shelved }) => shelved === null);
  if (state.binding !== null || expected.length === 0) return true;
  let known: Set<string>;
  try {
    known = new Set((await (await host()).listDomains()).map(({ uuid }) => uuid));
  } catch {
    return false;
  }
  if (expected.some(({ id }) => known.has(id))) return true;
  throw new EstratoError(
    "host",
    `${home}: this store is not bound yet, and ${ofLibvirt(here)} knows none of its ${expected.length} instances`,
    { hint: "Name its libvirt with --connect; where there is none any more: estrato doctor --take-over." },
  );
}
