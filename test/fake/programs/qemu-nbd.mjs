#!/usr/bin/env node
// Stands for qemu-nbd(8): a socket where it is to be, until it is ended. An encrypted disk opens with "right" alone.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

const optionOf = (name) => process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
const server = createServer((client) => client.end("NBDMAGIC"));
// Before it opens the image, as the real one
await new Promise((resolve) => server.listen(optionOf("socket"), resolve));
const secret = process.argv.find((word) => word.startsWith("secret,"));
if (secret !== undefined && readFileSync(/file=(.*)$/.exec(secret)[1], "utf8") !== "right") {
  process.stderr.write("qemu-nbd: Failed to blk_new_open: Invalid password, cannot unlock any keyslot\n");
  process.exit(1);
}
process.on("SIGTERM", () => server.close(() => process.exit()));
