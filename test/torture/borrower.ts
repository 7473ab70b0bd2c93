/**
 * Another user, with a store and a libvirt of his own, who makes things of the images that the walk's store lends. What
 * he has is a scene of its own, walked like the lender's.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ran, sure } from "../e2e/processes.ts";
import type { User } from "../e2e/users.ts";
import { type Ending, Ground } from "./ground.ts";
import { KEY_FILE } from "./luks.ts";

/** Whom images are shared with. */
export const BORROWER = "bob";

let user: Promise<User> | undefined;

/** One for all walks of this test host. */
async function makeUser(): Promise<User> {
  const { makeUsers } = await import("../e2e/users.ts");
  return (await makeUsers(BORROWER))[0] as User;
}

export class BorrowersGround extends Ground {
  private readonly user: User;
  private readonly lender: string;

  private constructor(user: User, lender: string) {
    super(join(user.home, "walk"), join(user.home, ".config"));
    this.user = user;
    this.lender = lender;
  }

  /** `lender`: the store whose images he finds. */
  static async of(lender: string): Promise<BorrowersGround> {
    user ??= makeUser();
    const ground = new BorrowersGround(await user, lender);
    const folders = [ground.folder, ground.others, ground.packed, ...ground.targets];
    await sure("install", "-d", "-m", "711", "-o", BORROWER, ...folders);
    writeFileSync(join(ground.folder, KEY_FILE), "sesam-7391", { mode: 0o644 });
    return ground;
  }

  protected override get env() {
    return { ESTRATO_HOME: this.home, ESTRATO_IMAGE_STORES: this.lender };
  }

  override run(words: readonly string[]): Promise<Ran> {
    return this.ended(words);
  }

  /** He can be killed at a step alone. */
  override ended(words: readonly string[], { env = {} }: Ending = {}): Promise<Ran> {
    return this.user.estratoWith({ ...this.env, ...env }, ...words);
  }

  /** His guests never run, and nobody else touches them: what they start from is what he remembers. */
  override async disksOf(): Promise<null> {
    return null;
  }

  override async domains(): Promise<string> {
    return (await this.virsh("list", "--all", "--name")).stdout.trim();
  }

  override async clear(): Promise<void> {
    for (const name of (await this.domains()).split("\n").filter((one) => one !== ""))
      await this.virsh("undefine", name);
    rmSync(this.folder, { recursive: true });
  }

  private virsh(...words: string[]): Promise<Ran> {
    return this.user.run("virsh", "-q", "-c", "qemu:///session", ...words);
  }
}
