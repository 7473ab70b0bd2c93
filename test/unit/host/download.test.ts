/** The real curl(1) against a server on loopback that does what servers do wrong. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { PerformOptions } from "../../../src/core/model/action.ts";
import { curlFailure } from "../../../src/host/download/curl.ts";
import { performDownload } from "../../../src/host/download/download.ts";
import { readSmall } from "../../../src/host/download/small.ts";
import { freeBytes } from "../../../src/host/files.ts";
import { createProcesses } from "../../../src/host/process.ts";
import { hiddenFiles } from "../../../src/host/temporary-files.ts";
import type { Virsh } from "../../../src/host/virsh.ts";

const FILE = randomBytes(300_000);
const OTHER = randomBytes(300_000);
const KEY = "0123456789abcdef0123456789abcdef";

/** curl(1) writes by buffers, and what it had in its last one is gone where it is ended. */
const PART_OF_50_000 = /^bytes=[1-4]?\d{1,4}-$|^bytes=50000-$/;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let answer: Answer;
const asked: (string | undefined)[] = []; // the range of each request
const server = createServer((request, response) => {
  asked.push(request.headers.range);
  answer(request, response);
});
let base = "";
let folder = "";
let to = "";

beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.closeAllConnections());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
  to = join(folder, `.${KEY}.download`);
  asked.length = 0;
  return () => rmSync(folder, { recursive: true });
});

interface Served {
  readonly etag?: string | null;
  readonly ranges?: boolean;
  /** The connection ends after so many bytes of the file, as often as there are numbers. */
  readonly cuts?: number[];
}

/** As a server ought to, but for what is asked for. */
function serve(bytes: Buffer, { etag = '"one"', ranges = true, cuts = [] }: Served = {}): Answer {
  return ({ headers }, response) => {
    const isSame = headers["if-range"] === undefined || headers["if-range"] === etag;
    const from = ranges && isSame ? Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0) : 0;
    if (etag !== null) response.setHeader("ETag", etag);
    if (ranges) response.setHeader("Accept-Ranges", "bytes");
    if (from > 0) response.setHeader("Content-Range", `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
    response.writeHead(from > 0 ? 206 : 200, { "Content-Length": bytes.length - from });
    const cut = cuts.shift();
    if (cut === undefined) response.end(bytes.subarray(from));
    else response.write(bytes.subarray(from, cut), () => response.destroy());
  };
}

function fetch(url = `${base}/disk.qcow2`, options: PerformOptions = {}, limitMs = 5_000, free = freeBytes) {
  const processes = createProcesses({ env: process.env, patience: { limitMs, afterSignalMs: 0 } });
  // Nothing is waited for between the attempts.
  const context = { processes, virsh: {} as Virsh, options, sleep: async () => undefined, nowMs: () => 0 };
  return performDownload(context, { do: "download", url, to, copies: 2, mayStop: true }, free);
}

const got = () => readFileSync(to);
const left = () => readdirSync(folder).sort();

describe("a download", () => {
  test("brings the whole file, readable by us alone, and tells how much of how much has come", async () => {
    answer = serve(FILE);
    const seen: [number, number | null][] = [];
    await fetch(undefined, { onBytes: (...bytes) => seen.push(bytes) });
    expect(got().equals(FILE)).toBe(true);
    expect(statSync(to).mode & 0o777).toBe(0o600);
    expect(seen.at(-1)).toEqual([FILE.length, FILE.length]);
    expect(asked).toEqual([undefined]);
  });

  test("that is cut at some byte goes on there", async () => {
    answer = serve(FILE, { cuts: [100_000, 200_001] });
    await fetch();
    expect(got().equals(FILE)).toBe(true);
    expect(asked).toEqual([undefined, "bytes=100000-", "bytes=200001-"]);
  });

  test("that is cut again and again is refused, and the next command goes on with it", async () => {
    answer = serve(FILE, { cuts: [100_000, 100_000, 100_000, 100_000] });
    await expect(fetch()).rejects.toMatchObject({
      code: "host",
      message: expect.stringMatching(/cut off again and again, at .* of /),
      hint: "The same command goes on where it stopped.",
    });
    expect(left()).toEqual([`.${KEY}.download`, `.${KEY}.download.json`]);
    expect((await hiddenFiles(folder)).map(({ writer }) => writer)).toEqual(["kept", "kept"]);
    asked.length = 0;
    answer = serve(FILE);
    await fetch();
    expect(got().equals(FILE)).toBe(true);
    expect(asked).toEqual(["bytes=100000-"]);
  });

  test("that came whole is asked for its last byte alone", async () => {
    answer = serve(FILE);
    await fetch();
    await fetch();
    expect(asked).toEqual([undefined, `bytes=${FILE.length - 1}-`]);
    expect(got().equals(FILE)).toBe(true);
  });

  test.each<[string, Served, Answer]>([
    ["ETag", {}, serve(OTHER, { etag: '"two"' })],
    ["size", {}, serve(OTHER.subarray(1))],
    // It does not look at If-Range, and goes on with another file.
    [
      "ETag, which the server says too late",
      {},
      (request, response) => {
        delete request.headers["if-range"];
        serve(OTHER, { etag: '"two"' })(request, response);
      },
    ],
    ["ranges", {}, serve(OTHER, { ranges: false })],
  ])("begins anew where the file has another %s now", async (_, first, next) => {
    answer = serve(FILE, { ...first, cuts: [100_000, 100_000, 100_000, 100_000] });
    await expect(fetch()).rejects.toMatchObject({ code: "host" });
    answer = next;
    await fetch();
    expect(got().subarray(-100)).toEqual(OTHER.subarray(-100));
    expect(got().subarray(0, 1000)).not.toEqual(FILE.subarray(0, 1000));
  });

  test.each<[string, Served]>([
    ["has no ETag", { etag: null }],
    ["has a weak ETag", { etag: 'W/"one"' }],
    ["sends no ranges", { ranges: false }],
  ])("that is cut off is not kept where the server %s", async (_, served) => {
    answer = serve(FILE, { ...served, cuts: [100_000] });
    await expect(fetch()).rejects.toMatchObject({ code: "host", hint: "The same command begins anew." });
    expect(asked).toHaveLength(1);
    expect(left()).toEqual([]);
  });

  test("keeps of a part only what is known to be of that file, and nothing of before a power cut", async () => {
    answer = serve(FILE, { cuts: [100_000, 100_000, 100_000, 100_000] });
    await expect(fetch()).rejects.toMatchObject({ code: "host" });
    const facts = JSON.parse(readFileSync(`${to}.json`, "utf8"));
    asked.length = 0;
    answer = serve(FILE);
    writeFileSync(`${to}.json`, JSON.stringify({ ...facts, soundBytes: 70_000 }));
    await fetch();
    writeFileSync(`${to}.json`, JSON.stringify({ ...facts, boot: "another" }));
    await fetch();
    expect(asked).toEqual(["bytes=70000-", undefined]);
    expect(got().equals(FILE)).toBe(true);
  });

  test("ends where the server said less than it sends, and does not where it said more", async () => {
    answer = (_, response) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n${"x".repeat(5000)}`);
    };
    await fetch();
    expect(got().toString()).toBe("xxxxxxxxxx");
    answer = (_, response) => response.socket?.end("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nxxxxxxxxxx");
    await expect(fetch()).rejects.toMatchObject({ code: "host", message: expect.stringContaining("cut off") });
    expect(left()).toEqual([]);
  });

  test("larger than the space is refused before it comes", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "Content-Length": 2 ** 60 });
      response.flushHeaders();
    };
    const refused = await fetch().catch((error: Error) => error);
    expect(refused).toMatchObject({ code: "host" });
    expect(`${refused}`).toContain("there is no room for it, of 1024 PiB, in");
    expect(left()).toEqual([]);
  });

  test("of which nobody says how much it is ends where the space does", async () => {
    answer = ({ socket }, response) => {
      const more = () => !socket.destroyed && response.write("x".repeat(100_000), more);
      more();
    };
    let looks = 0;
    const free = async () => {
      looks += 1;
      return looks > 2 ? 0 : 2 ** 40;
    };
    await expect(fetch(undefined, {}, 5_000, free)).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("there is no room for it in"),
    });
    expect(left()).toEqual([]);
  });

  test.each([
    [404, "There is no such file: check the URL."],
    [403, "Check the URL."],
    [500, "Check the URL."],
  ])("that is answered by %i is refused", async (status, hint) => {
    answer = (_, response) => response.writeHead(status).end("a page");
    const message = `${base}/disk.qcow2: the server answers ${status}`;
    await expect(fetch()).rejects.toMatchObject({ code: "host", message, hint });
    expect(left()).toEqual([]);
  });

  test("follows where it is led, but to no other scheme", async () => {
    answer = ({ url }, response) => {
      if (url !== "/disk.qcow2") serve(FILE)({ headers: {} } as IncomingMessage, response);
      else response.writeHead(302, { Location: "/elsewhere" }).end();
    };
    await fetch();
    expect(got().equals(FILE)).toBe(true);
    for (const elsewhere of ["https://127.0.0.1:1/x", "file:///etc/passwd", "ftp://127.0.0.1/x"]) {
      answer = (_, response) => response.writeHead(302, { Location: elsewhere }).end();
      const message = expect.stringContaining(`it leads to ${elsewhere}, which is another scheme`);
      await expect(fetch(`${base}/${elsewhere.length}`)).rejects.toMatchObject({ code: "host", message });
      expect(existsSync(to)).toBe(false);
    }
    answer = (_, response) => response.writeHead(302, { Location: "/disk.qcow2" }).end();
    await expect(fetch()).rejects.toMatchObject({ message: expect.stringContaining("it leads on and on") });
  });

  test("from a server that cannot speak TLS, or is not there, is refused", async () => {
    await expect(fetch(base.replace("http:", "https:"))).rejects.toMatchObject({
      code: "host",
      hint: expect.stringContaining("update-ca-certificates"),
    });
    await expect(fetch("http://127.0.0.1:1/x")).rejects.toMatchObject({ code: "host" });
    const result = { exit: 60, stdout: "", stderr: "curl: (60) SSL certificate problem: self-signed certificate\n" };
    expect(curlFailure("https://h/x", result, null).message).toContain("/x: SSL certificate problem: self-signed");
  });

  test("of which nothing more comes is a time-out, and is gone on with", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "Content-Length": FILE.length, ETag: '"one"', "Accept-Ranges": "bytes" });
      response.write(FILE.subarray(0, 50_000));
    };
    await expect(fetch(undefined, {}, 500)).rejects.toMatchObject({
      code: "timeout",
      hint: "The same command goes on where it stopped.",
    });
    asked.length = 0;
    answer = serve(FILE);
    await fetch();
    expect(asked).toEqual([expect.stringMatching(PART_OF_50_000)]);
  });

  test("to which there is no way any more says that the same command goes on", async () => {
    answer = serve(FILE, { cuts: [100_000, 100_000, 100_000, 100_000] });
    await expect(fetch()).rejects.toMatchObject({ code: "host" });
    const facts = readFileSync(`${to}.json`, "utf8");
    const nowhere = "http://127.0.0.1:1/x";
    writeFileSync(`${to}.json`, facts.replace(`${base}/disk.qcow2`, nowhere));
    const hint = "The same command goes on where it stopped.";
    await expect(fetch(nowhere)).rejects.toMatchObject({ code: "host", hint });
    expect(statSync(to).size).toBe(100_000);
  });

  test("that is interrupted ends its child, and is gone on with", async () => {
    const controller = new AbortController();
    let ended: () => void = () => undefined;
    const isOver = new Promise<void>((done) => {
      ended = done;
    });
    answer = (request, response) => {
      response.writeHead(200, { "Content-Length": FILE.length, ETag: '"one"', "Accept-Ranges": "bytes" });
      response.write(FILE.subarray(0, 50_000));
      request.socket.once("close", ended);
    };
    const interrupted = fetch(undefined, { signal: controller.signal, onBytes: () => controller.abort() });
    await expect(interrupted).rejects.toMatchObject({ code: "interrupted" });
    await isOver;
    answer = serve(FILE);
    await fetch();
    expect(got().equals(FILE)).toBe(true);
    expect(asked[1]).toMatch(PART_OF_50_000);
  });
});

describe("a small file", () => {
  const read = (where: string) => readSmall(createProcesses({ env: process.env }), where, { maxBytes: 1000 });

  test("is read, from a path too, and is null where it is not there", async () => {
    answer = ({ url }, response) => response.writeHead(url === "/sums" ? 200 : 404).end("text");
    expect(String(await read(`${base}/sums`))).toBe("text");
    expect(await read(`${base}/nothing`)).toBeNull();
    writeFileSync(join(folder, "sums"), "here");
    expect(String(await read(join(folder, "sums")))).toBe("here");
    expect(await read(join(folder, "nothing"))).toBeNull();
  });

  test("is no large one, whether the server says so or not", async () => {
    answer = (_, response) => response.end("x".repeat(2000));
    await expect(read(`${base}/sums`)).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("larger"),
    });
    answer = (_, response) => {
      const more = () => response.write("x".repeat(10_000), more); // without a length, and without an end
      more();
    };
    await expect(read(`${base}/sums`)).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("larger"),
    });
  });
});
