/** Secrets that libvirt keeps for encrypted volumes. */
import { listSecrets, readPassphrase, secretXml, withSecretFds } from "../secrets.ts";
import { commandsFor } from "./commands.ts";
import { type ActionContext, type ActionOf, holdingLocks, withFile } from "./context.ts";

/** Defines the secret and gives it its value. Without a value in between, repeating it finishes it. */
export async function performDefineSecret(context: ActionContext, action: ActionOf<"define-secret">): Promise<void> {
  const value = await readPassphrase(action.file);
  const xml = secretXml(action.secret, action.description);
  await withFile(xml, (path) => context.virsh.output(["secret-define", "--file", path], holdingLocks(context)));
  const [, setValue] = commandsFor(action, context.virsh);
  if (setValue === undefined) return;
  await withSecretFds([value], holdingLocks(context), (how) => context.processes.output(setValue, how));
}

export async function performUndefineSecret(
  context: ActionContext,
  action: ActionOf<"undefine-secret">,
): Promise<void> {
  if (!(await listSecrets(context.virsh)).some(({ uuid }) => uuid === action.secret)) return;
  await context.virsh.output(["secret-undefine", "--secret", action.secret], holdingLocks(context));
}
