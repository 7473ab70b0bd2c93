import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { until } from "../wait.ts";
import { type Ran, run } from "./processes.ts";
import { guestImage, makeRig, type Rig } from "./rig.ts";

const program = resolve(import.meta.dirname, "../../bin/estrato");

describe("an image through a pipe, or from a server", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
  });
  const shell = (line: string): Promise<Ran> =>
    run("bash", ["-c", `set -o pipefail; ${line}`], { ESTRATO_HOME: rig.home });

  it("is the image that was sent, and knows no other name of it", async () => {
    const piped = await shell(
      `${program} image save base --file - --progress none | ${program} image create copy --file - -f json`,
    );
    expect([piped.code, piped.stderr]).toEqual([0, ""]);
    expect(JSON.parse(piped.stdout)).toMatchObject({ name: "copy", source: { kind: "file", name: "standard input" } });
    await rig.requireSame("copy", guestImage);
    const raw = await shell(
      `head -c 3M /dev/urandom > ${rig.folder}/raw; cat ${rig.folder}/raw | ${program} image create raw --file - --disk-format raw`,
    );
    expect(raw.code).toBe(0);
    await rig.ok("image", "save", "raw", "--file", join(rig.folder, "back"), "--disk-format", "raw");
    expect(readFileSync(join(rig.folder, "back")).equals(readFileSync(join(rig.folder, "raw")))).toBe(true);
    await rig.heal();
  });

  it("is refused where it is none, or names a file here, and leaves nothing behind", async () => {
    const before = rig.layers();
    const none = await shell(`echo hello | ${program} image create none --file -`);
    expect([none.code, none.stderr]).toEqual([6, expect.stringContaining("standard input: not a qcow2 image")]);
    const bad = `qemu-img create -q -f qcow2 -b ${guestImage} -F qcow2 ${rig.folder}/bad.qcow2`;
    const backed = await shell(`${bad}; ${program} image create bad --file - < ${rig.folder}/bad.qcow2`);
    expect(backed.code).toBe(6);
    const cut = await shell(`head -c 20M ${guestImage} | ${program} image create cut --file -`);
    expect(cut.code).toBe(6);
    expect(rig.layers()).toEqual(before);
    await rig.heal();
  });

  it("leaves nothing behind where the sender, or estrato, dies on the way", async () => {
    const before = rig.layers();
    for (const signal of ["SIGKILL", "SIGINT"] as const) {
      const child = spawn(program, ["image", "create", "half", "--file", "-"], {
        env: { ...process.env, ESTRATO_HOME: rig.home },
        stdio: ["pipe", "ignore", "ignore"],
      });
      child.stdin?.on("error", () => undefined);
      // Far more than a pipe holds: when it is written, it is being read.
      await new Promise((next) => child.stdin?.write(readFileSync(guestImage).subarray(0, 5 * 1024 ** 2), next));
      child.kill(signal);
      const code = await new Promise((done) => child.on("exit", (exit, by) => done(by ?? exit)));
      expect(code).toBe(signal === "SIGKILL" ? "SIGKILL" : 130);
      expect(rig.layers()).toEqual(before);
    }
    await rig.heal();
  });

  it("from a server is what its list of sums says, and who has signed that", async () => {
    const site = await serve((request, response) => {
      const name = request.url === "/disk.qcow2" ? null : `${signed}${request.url}`;
      if (name !== null && !existsSync(name)) response.writeHead(404).end();
      else response.end(name === null ? "x" : readFileSync(name));
    });
    const from = ["--url", `${site}/disk.qcow2`, "--disk-format", "raw"];
    const by = (keyring: string, list: string) => ["--checksums", list, "--keyring", `${signed}/${keyring}`];
    for (const [name, list] of [
      ["one", `${site}/SHA256SUMS`],
      ["two", `${signed}/CHECKSUM`],
    ] as const) {
      const made = await rig.json("image", "create", name, ...from, ...by("keyring.gpg", list));
      expect(made).toMatchObject({ source_url: `${site}/disk.qcow2`, verified: "signature" });
      const plan = await rig.estrato("image", "create", "three", ...from, ...by("keyring.gpg", list), "--dry-run");
      expect(plan.stdout).toContain("curl -q ");
    }
    const before = rig.layers();
    const other = await rig.estrato("image", "create", "bad", ...from, ...by("other.gpg", `${site}/SHA256SUMS`));
    expect([other.code, other.stderr]).toEqual([9, expect.stringContaining("which is not in the keyring")]);
    const sum = await rig.estrato("image", "create", "bad", ...from, "--checksum", `sha256:${"0".repeat(64)}`);
    expect([sum.code, sum.stderr]).toEqual([9, expect.stringContaining("and not sha256:0000")]);
    const page = await rig.estrato("image", "create", "bad", "--url", `${site}/nothing`, "--checksum", SUM_OF_X);
    expect([page.code, page.stderr]).toEqual([6, expect.stringContaining("the server answers 404")]);
    expect(rig.layers()).toEqual(before);
    await rig.heal();
  });

  it("that was cut off by a kill is gone on with, and its curl ends with the command", async () => {
    const image = readFileSync(guestImage);
    const half = Math.floor(image.length / 2);
    const ranges: (string | undefined)[] = [];
    let isGone = false;
    const site = await serve((request, response) => {
      ranges.push(request.headers.range);
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.setHeader("Content-Range", `bytes ${from}-${image.length - 1}/${image.length}`);
      const headers = { "Content-Length": image.length - from, ETag: '"1"', "Accept-Ranges": "bytes" };
      response.writeHead(from === 0 ? 200 : 206, headers);
      if (from > 0) return void response.end(image.subarray(from));
      request.socket.once("close", () => {
        isGone = true;
      });
      response.write(image.subarray(0, half)); // and never more
    });
    const sum = `sha256:${createHash("sha256").update(image).digest("hex")}`;
    const line = ["image", "create", "loaded", "--url", `${site}/guest.qcow2`, "--checksum", sum] as const;
    const child = rig.start({}, ...line);
    const hidden = () => readdirSync(`${rig.home}/layers`).filter((name) => name.startsWith("."));
    await until("a part has come", async () => hidden().some((name) => name.endsWith(".json")));
    child.kill("SIGKILL");
    await until("the connection ends", async () => isGone); // nobody but that curl has the connection
    expect(hidden().length).toBeGreaterThan(1);
    const { stderr } = await rig.estrato("image", "list");
    expect(stderr).toBe("");
    expect(await rig.json(...line)).toMatchObject({ checksum: sum, verified: "checksum" });
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d{4,}-$/)]);
    expect(hidden()).toEqual([]);
    await rig.requireSame("loaded", guestImage);
    await rig.heal();
  });
});

/** recorded/signed: what unit tests are signed with. */
const signed = resolve(import.meta.dirname, "../unit/host/recorded/signed");
const SUM_OF_X = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

/** On loopback, as long as the test lasts; its URL, with no slash at the end. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  onTestFinished(() => server.closeAllConnections());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
