// `npm run picture`: plays the lines below on a real guest, in a private host, and draws what then stands on the
// terminal into the SVG file that the README begins with. Run in a bed, which has tmux beside it.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { svgOf } from "./svg.mjs";

const COLUMNS = 100;
const ROWS = 60;
const PROMPT = "$ ";
const PATIENCE_MS = 900_000;

/** What is there before the picture begins. */
const BEFORE = [
  "estrato image create debian12 --file debian12.qcow2 --property os_admin_user=root -q",
  "estrato keypair import ada --file ada.pub -q",
  "estrato instance create web1 --image debian12 --vcpus 1 --ram 192M --key-name ada --wait agent -q",
  "estrato instance ssh web1 -i ada -- 'echo all is well > /etc/motd; sync'",
];
const SHOWN = [
  "estrato snapshot create web1 before-upgrade -c name -c consistency",
  "estrato instance ssh web1 -i ada -- 'echo broken > /etc/motd; sync'     # the upgrade goes wrong",
  "estrato snapshot revert web1/before-upgrade -c kept",
  "estrato instance ssh web1 -i ada -- cat /etc/motd",
  "estrato snapshot tree web1",
  "estrato image create golden --from-snapshot web1/before-upgrade -q",
  "estrato instance create web2 --image golden --vcpus 1 --ram 192M --key-name ada --wait agent -q",
  "estrato instance list -c name -c status -c image -c addresses",
];

const [output] = process.argv.slice(2);
if (output === undefined || process.env.ESTRATO_BED === undefined)
  throw new Error("usage: test/bed/bed run -- node test/picture/record.mjs FILE");
const home = join(process.env.ESTRATO_BED_DIR ?? "", "home");
mkdirSync(home, { recursive: true, mode: 0o711 });
copyFileSync(process.env.ESTRATO_BED_GUEST ?? "", join(home, "debian12.qcow2"));
execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(home, "ada")]);
const environment = {
  PATH: `${resolve("bin")}:${process.env.PATH}`,
  HOME: home,
  ESTRATO_HOME: join(home, "store"),
  LIBVIRT_DEFAULT_URI: "qemu:///system",
  TERM: "tmux-256color",
  LC_ALL: "C.UTF-8",
  PS1: PROMPT,
};
for (const line of BEFORE)
  execFileSync("sh", ["-c", line], { cwd: home, env: environment, stdio: ["ignore", "inherit", "inherit"] });

const server = `estrato-picture-${process.pid}`;
const tmux = (...words) => execFileSync("tmux", ["-L", server, "-f", "/dev/null", ...words], { encoding: "utf8" });
const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
tmux(
  "new-session",
  "-d",
  "-s",
  "picture",
  "-x",
  `${COLUMNS}`,
  "-y",
  `${ROWS}`,
  "-c",
  home,
  "env",
  "-i",
  ...words,
  "sh",
);
try {
  for (const [index, line] of [...SHOWN, ""].entries()) {
    await prompted(index + 1);
    if (line !== "") tmux("send-keys", "-t", "picture", "-l", "--", line);
    if (line !== "") tmux("send-keys", "-t", "picture", "Enter");
  }
  const lines = tmux("capture-pane", "-e", "-p", "-t", "picture").trimEnd().split("\n").slice(0, -1);
  writeFileSync(output, svgOf(lines, { columns: COLUMNS, prompt: PROMPT }));
} finally {
  tmux("kill-server");
}

/** Waits until the shell asks for the line of this number. */
async function prompted(number) {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const screen = tmux("capture-pane", "-p", "-t", "picture").trimEnd().split("\n");
    const asked = screen.filter((line) => line === PROMPT.trim() || line.startsWith(PROMPT)).length;
    if (asked >= number && screen.at(-1) === PROMPT.trim()) return;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error(`waited in vain for prompt ${number}`);
}
