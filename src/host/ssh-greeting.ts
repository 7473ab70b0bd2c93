/** Does an ssh server greet at an address? Source: RFC 4253, section 4.2, "Protocol Version Exchange". */
import { connect } from "node:net";

export const SSH_PORT = 22;

/** A server may say other lines before its version; one that says more than this is none. */
const MOST_CHARACTERS = 8192;

/**
 * True when the server says its version ("SSH-2.0-…") within the limit. False where the connection is refused or lost,
 * where nobody answers, and where something else does. `signal` ends it at once, with false. Never throws.
 */
export function sshGreets(
  address: string,
  timeoutMs: number,
  { port = SSH_PORT, signal }: { readonly port?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    let said = "";
    const end = (greets: boolean) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.destroy();
      resolve(greets);
    };
    const abort = () => end(false);
    const timer = setTimeout(abort, timeoutMs);
    signal?.addEventListener("abort", abort);
    socket.on("error", abort).on("close", abort);
    socket.setEncoding("latin1").on("data", (text) => {
      said += text;
      if (/^SSH-/m.test(said)) end(true);
      else if (said.length > MOST_CHARACTERS) end(false);
    });
    if (signal?.aborted) end(false);
  });
}
