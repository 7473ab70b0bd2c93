/** Real servers on the loopback: one that refuses, is silent, says something else, greets. */
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { sshGreets } from "../../../src/host/ssh-greeting.ts";

/** Long enough for any machine where an answer comes; short where none does, and the time is to run out. */
const AMPLE_MS = 60_000;
const SHORT_MS = 50;
const LOOPBACK = "127.0.0.1";

const servers: Server[] = [];
const sockets = new Set<Socket>();

/** Returns its port. 0: any that is free. */
async function serve(port: number, answer: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    answer(socket);
  });
  servers.push(server);
  await new Promise<void>((listening) => server.listen(port, LOOPBACK, listening));
  return (server.address() as { port: number }).port;
}

async function stop(): Promise<void> {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) await new Promise((closed) => server.close(closed));
}

afterEach(stop);

test("a server that refuses, then is silent, then greets", async () => {
  const port = await serve(0, () => undefined);
  await stop();
  expect(await sshGreets(LOOPBACK, AMPLE_MS, { port })).toBe(false);
  await serve(port, () => undefined);
  expect(await sshGreets(LOOPBACK, SHORT_MS, { port })).toBe(false);
  await stop();
  await serve(port, (socket) => socket.write("SSH-2.0-dropbear\r\n"));
  expect(await sshGreets(LOOPBACK, AMPLE_MS, { port })).toBe(true);
});

test("lines before the version are read over, also where they come in pieces", async () => {
  const port = await serve(0, (socket) => {
    socket.write("Only for staff.\r\nSS");
    setImmediate(() => socket.write("H-2.0-OpenSSH_9.2\r\n"));
  });
  expect(await sshGreets(LOOPBACK, AMPLE_MS, { port })).toBe(true);
});

test.each([
  ["something else", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ["a text that only speaks of it", "no SSH-2.0 here\r\n"],
  ["nothing", ""],
])("one that says %s and hangs up does not greet", async (_, text) => {
  const port = await serve(0, (socket) => socket.end(text));
  expect(await sshGreets(LOOPBACK, AMPLE_MS, { port })).toBe(false);
});

test("one that never stops talking is left", async () => {
  const port = await serve(0, (socket) => socket.write("x".repeat(100_000)));
  expect(await sshGreets(LOOPBACK, AMPLE_MS, { port })).toBe(false);
});

test("an interruption ends it, before and while it waits", async () => {
  const interruption = new AbortController();
  const port = await serve(0, () => interruption.abort());
  const { signal } = interruption;
  expect(await sshGreets(LOOPBACK, AMPLE_MS, { port, signal })).toBe(false);
  expect(await sshGreets(LOOPBACK, AMPLE_MS, { port, signal })).toBe(false);
});

test("a name that leads nowhere does not greet", async () => {
  expect(await sshGreets("256.0.0.1.invalid", AMPLE_MS)).toBe(false);
});
