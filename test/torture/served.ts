/** Files of the walk behind a URL: a server on loopback, which lives as long as the walk. */
import { createReadStream, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const files = new Map<string, string>();
let server: Promise<Server> | null = null;

/** A URL of the file, for as long as it is there; ranges of it are given, too. */
export async function servedAt(file: string): Promise<string> {
  server ??= begin();
  const { port } = (await server).address() as AddressInfo;
  const path = `/${encodeURIComponent(file)}`;
  files.set(path, file);
  return `http://127.0.0.1:${port}${path}`;
}

function begin(): Promise<Server> {
  const made = createServer(({ url, headers }, response) => {
    const file = files.get(url ?? "");
    const found = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    if (file === undefined || found === undefined) return void response.writeHead(404).end();
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    response.setHeader("Accept-Ranges", "bytes");
    response.setHeader("ETag", `"${found.ino}-${found.mtimeMs}"`);
    if (from > 0) response.setHeader("Content-Range", `bytes ${from}-${found.size - 1}/${found.size}`);
    response.writeHead(from > 0 ? 206 : 200, { "Content-Length": found.size - from });
    createReadStream(file, { start: from }).pipe(response);
  });
  made.unref(); // it keeps no walk from ending
  return new Promise((done) => made.listen(0, "127.0.0.1", () => done(made)));
}
