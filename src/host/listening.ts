/** May a port of this host be listened on? The answer is true for this moment alone. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { Forward, Listening } from "../core/model/host.ts";

const WORDS: Readonly<Record<string, Listening>> = {
  EADDRINUSE: "taken",
  EACCES: "forbidden",
  EPERM: "forbidden",
  EADDRNOTAVAIL: "no-address",
};

/** Listens for an instant. Throws what the system says where that is none of the answers. */
export function tryListening({ protocol, address, host: port }: Forward): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const word = WORDS[error.code ?? ""];
      if (word === undefined) reject(error);
      else resolve(word);
    };
    if (protocol === "tcp") {
      const server = createServer().on("error", failed);
      server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve("free")));
    } else {
      const socket = createSocket("udp4").on("error", failed);
      socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve("free")));
    }
  });
}
