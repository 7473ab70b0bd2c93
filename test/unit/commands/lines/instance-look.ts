/** What only looks, or goes inside: `instance list`, `show`, `log`, `screenshot`, `console` and `ssh`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { type Bed, command } from "../../core/world.ts";
import { befallen } from "../estate.ts";
import type { LineOptions } from "../line.ts";
import { type NounLines, refusals } from "../verb-lines.ts";
import { instance, instanceDetail } from "./contract.ts";

const named = (...names: string[]) => names.map((name) => instance({ name }));

/** What `instance top` says of the fake guests, of whom each uses a little more than the one before. */
const busy = (name: string, percent: number) => ({
  id: expect.any(String),
  name,
  vcpus: 1,
  cpu_percent: percent,
  memory_bytes: expect.any(Number),
  memory_source: expect.stringMatching(/^(balloon|allocation)$/),
  ram_bytes: expect.any(Number),
  disk_read_bytes_per_second: expect.any(Number),
  disk_write_bytes_per_second: expect.any(Number),
  net_receive_bytes_per_second: expect.any(Number),
  net_send_bytes_per_second: 0,
});

export const looking: NounLines = {
  list: {
    well: [
      { line: "instance list", json: named("legacy", "put-by", "web1", "web2") },
      {
        line: "instance list --filter managed=false",
        json: [
          instance({
            id: "11111111-2222-4333-8444-555555555555",
            name: "legacy",
            status: "active",
            flavor: null,
            image: null,
            key_name: null,
            addresses: [],
            volumes: [],
            created_at: null,
            managed: false,
            owner: null,
            properties: {},
          }),
        ],
      },
      { line: "instance list --filter status=shelved", json: [instance({ name: "put-by", status: "shelved" })] },
      { line: "instance list --sort name:desc --limit 2", json: named("web2", "web1") },
      { line: "instance list --filter name=nosuch", json: [] },
    ],
    refused: refusals(["instance list --sort nosuch", 2, 'column "nosuch"'], ["instance list --limit x", 2, "--limit"]),
  },

  top: {
    well: [
      { line: "instance top --count 1", json: [busy("web1", 25), busy("legacy", 12.5)] },
      { line: "instance top web1 --interval 4s --count 1", json: [busy("web1", 12.5)] },
    ],
    refused: refusals(
      ["instance top nosuch", 4, "instance nosuch: not found"],
      ["instance top web2", 5, "instance web2: it is off"],
      ["instance top --interval x", 2, "--interval"],
    ),
  },

  show: {
    well: [
      {
        line: "instance show web1",
        json: instanceDetail({
          name: "web1",
          status: "active",
          image: "debian12",
          key_name: "mykey",
          addresses: ["192.168.122.2"],
          macs: ["52:54:00:00:00:01"],
          volumes: [{ id: "vol-00000000000000001", device: "vda", size_bytes: 1_048_576 }],
          created_at: "2025-01-01T00:10:00.000Z",
          managed: true,
          properties: { role: "front" },
          current_snapshot: "upgrade",
        }),
      },
      {
        line: "instance show 11111111-2222-4333-8444-555555555555",
        json: instanceDetail({ name: "legacy", managed: false }),
      },
      {
        line: "instance show put-by web2",
        json: [instanceDetail({ name: "put-by" }), instanceDetail({ name: "web2" })],
      },
      {
        line: "instance show web1",
        before: (on) => void on.machine.domains.delete("00000000-0000-4000-8000-000000000001"),
        json: instanceDetail({
          name: "web1",
          status: "error",
          vcpus: null,
          ram_bytes: null,
          autostart: null,
          addresses: ["192.168.122.2"],
        }),
      },
    ],
    refused: refusals(["instance show nosuch", 4, "instance nosuch: not found"]),
    several: { good: "web1", words: "instances failed to show" },
  },

  log: {
    well: [
      { line: "instance log web1", how: withLog("booting\r\nlogin:\r\n"), prints: "booting\nlogin:\n" },
      { line: "instance log web1 --lines 1", how: withLog("booting\r\nlogin: "), prints: "login: \n" },
      {
        line: "instance log web1 --follow",
        how: (on) => ({ ...withLog("booting\r\nlogi")(on), signal: AbortSignal.abort() }),
        prints: "booting\n",
      },
    ],
    refused: refusals(
      ["instance log web1 --lines x", 2, "not a whole number"],
      ["instance log nosuch", 4, "instance nosuch: not found"],
      ["instance log web1", 4, "no console log of it is kept"],
      ["instance log put-by", 5, "it is shelved"],
    ),
  },

  screenshot: {
    well: [{ line: "instance screenshot web1 -", how: withScreen, prints: "a picture" }],
    refused: refusals(
      ["instance screenshot nosuch", 4, "instance nosuch: not found"],
      ["instance screenshot web2", 5, "it is off"],
      ["instance screenshot web1 package.json", 5, "the file is there already"],
    ),
  },

  console: {
    well: [
      {
        line: "instance console web1 --type graphic",
        before: befallen("web1", { display: "vnc://127.0.0.1:3" }),
        prints: /^The screen of web1: vnc:\/\/127.0.0.1:5903\nFrom another machine: ssh -N -L 5903:127.0.0.1:5903 ana@/,
      },
    ],
    refused: refusals(
      ["instance console web1", 2, "it connects a terminal, and this is none"],
      ["instance console web1 --type graphic", 5, "its screen is served nowhere"],
      ["instance console web2 --type graphic", 5, "it is off"],
      ["instance console web1 --escape escape", 2, "not a character"],
      ["instance console nosuch", 4, "instance nosuch: not found"],
      ["instance console web2", 5, "it is off"],
    ),
  },

  "ssh-config": {
    well: [
      { line: "instance ssh-config", prints: sshConfig("web1") },
      { line: "instance ssh-config web1", prints: sshConfig("web1") },
      {
        line: "instance ssh-config --install web1",
        how: withHome,
        notes: ["1 of them in ~/.ssh/estrato_config, which ~/.ssh/config includes."],
      },
    ],
    refused: [
      ...refusals(
        ["instance ssh-config nosuch", 4, "instance nosuch: not found"],
        ["instance ssh-config legacy", 4, "no address is known of it"],
      ),
      { line: "instance ssh-config --install", exit: 6, says: "HOME is not set", how: () => ({ env: { HOME: "" } }) },
    ],
  },

  ssh: {
    well: [
      { line: "instance ssh web1", how: withTerminal },
      { line: "instance ssh web1 --login debian --identity key --timeout 5s -- uptime -p", how: withTerminal },
      { line: "instance ssh web1 --no-wait", how: withTerminal },
    ],
    refused: refusals(
      ["instance ssh web1 --login=-oProxyCommand=x", 2, "not a user name"],
      ["instance ssh nosuch", 4, "instance nosuch: not found"],
      ["instance ssh legacy", 4, "no address is known of it"],
      ["instance ssh web2", 5, "it is off"],
      [
        "instance ssh web1 --timeout 0s",
        255,
        "no ssh server answers at 192.168.122.",
        (on) => void Object.assign(on.machine, { sshAnswers: false }),
      ],
    ),
  },
};

/** The guest has written this to its console: a file of this machine, since the verb reads it itself. */
function withLog(text: string): (on: Bed) => LineOptions {
  return (on) => {
    const folder = mkdtempSync(join(tmpdir(), "estrato-log-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "console.log");
    writeFileSync(file, text);
    const { host, store } = command(on);
    host.addFile(file);
    return { host, store: { ...store, paths: { ...store.paths, consoleLog: () => file } } };
  };
}

/** Its block of ssh_config(5). */
function sshConfig(name: string): RegExp {
  return new RegExp(`^Host ${name} [-0-9a-f]{36}\\n  HostName 192[.]168[.]122[.]2\\n  User debian\\n  Strict`);
}

/** A folder of the user's own. */
function withHome(on: Bed): LineOptions {
  const folder = mkdtempSync(join(tmpdir(), "estrato-home-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { host, store } = command(on);
  return { host, store, env: { HOME: folder } };
}

function withScreen(on: Bed): LineOptions {
  return { host: { ...command(on).host, screenshot: (_uuid, path) => writeFile(path, "a picture") } };
}

/** The terminal is given to the child, which ends well. */
function withTerminal(on: Bed): LineOptions {
  return { host: { ...command(on).host, interactive: async () => 0 } };
}
