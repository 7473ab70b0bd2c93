/** Speaks to a guest's QEMU in libvirtd's place, while libvirtd is dead: what it would have said before it died. */
import { connect } from "node:net";
import { until } from "../wait.ts";
import { sure } from "./processes.ts";

export interface Monitor {
  /** Sends a command and returns what is said until the answer matches; throws where it never does. */
  ask(command: object, answer?: RegExp): Promise<string>;
  close(): void;
}

export async function openMonitor(domain: string): Promise<Monitor> {
  const [socket] = (await sure("sh", "-c", `ls /var/lib/libvirt/qemu/domain-*-${domain}/monitor.sock`)).split("\n");
  const monitor = connect(socket ?? "");
  let said = "";
  monitor.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const ask = async (command: object, answer = /"return"/) => {
    said = "";
    monitor.write(`${JSON.stringify(command)}\n`);
    await until(`QEMU says ${answer} to ${JSON.stringify(command)}`, async () => answer.test(said));
    return said;
  };
  await ask({ execute: "qmp_capabilities" });
  return { ask, close: () => monitor.destroy() };
}
