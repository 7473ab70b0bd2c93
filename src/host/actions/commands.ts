/** Each action as the commands that carry it out. `perform` runs these very commands where an action is one. */
import { dirname } from "node:path";
import type { Action } from "../../core/model/action.ts";
import type { Command } from "../../core/model/host.ts";
import { accessCommands } from "../access.ts";
import { crontabCommands } from "../crontab.ts";
import { markWords } from "../domain-marks.ts";
import { curl } from "../download/curl.ts";
import { addForward, monitorWords } from "../forward-words.ts";
import { tpmFolder } from "../libvirt-folders.ts";
import { secretPath } from "../secrets.ts";
import { renewSeedCommands, seedCommand } from "../seed.ts";
import { sysprep } from "../sysprep.ts";
import type { Virsh } from "../virsh.ts";
import {
  type Below,
  commit,
  convert,
  convertDelta,
  createDisk,
  ONE_EACH,
  rebaseOnto,
  relink,
  resize,
} from "./image-commands.ts";
import { restoreMemory, switchDisks } from "./switch-commands.ts";

/** How virsh is called, and where its libvirt keeps things. */
export type VirshWords = Pick<Virsh, "command" | "folders">;

/**
 * The commands of an action, in order, as a person would type them. Pure. `below`: how many files the image stands on
 * that an action works on, and, last, the one that it is to stand on; only encrypted ones must know.
 */
export function commandsFor(
  action: Action,
  { command: virsh, folders }: VirshWords,
  below: Below = ONE_EACH,
): Command[] {
  switch (action.do) {
    case "create-disk":
      return [createDisk(action, action.path)];
    case "switch-disks":
      return switchDisks(action, `${action.domain}-snapshot.xml`).map((args) => virsh(...args));
    case "await-job":
      return [virsh("domjobinfo", action.domain)];
    case "sync-clock":
      return [virsh("domtime", action.domain, "--sync")];
    case "thaw":
      return [virsh("qemu-agent-command", action.domain, '{"execute":"guest-fsfreeze-thaw"}', "--timeout", "5")];
    case "define":
      return [{ ...virsh("define", `${nameIn(action.xml)}.xml`), reads: withoutSecrets(action.xml) }];
    case "redefine":
      return [
        virsh("dumpxml", action.domain, "--inactive", "--security-info"),
        virsh("define", `${action.domain}.xml`),
      ];
    case "undefine":
      return [
        virsh(
          "undefine",
          action.domain,
          action.nvram ? "--nvram" : "--keep-nvram",
          "--keep-tpm",
          ...(action.saved ? ["--managed-save"] : []),
        ),
      ];
    case "start":
      return [virsh("start", action.domain, ...(action.paused ? ["--paused"] : []))];
    case "shutdown":
      return [virsh("shutdown", action.domain), ...(action.thenDestroy ? [ifStillOn(virsh, action)] : [])];
    case "reboot":
      return [virsh(action.hard ? "reset" : "reboot", action.domain)];
    case "destroy":
    case "suspend":
    case "resume":
      return [virsh(action.do, action.domain)];
    case "autostart":
      return [virsh("autostart", action.domain, ...(action.on ? [] : ["--disable"]))];
    case "mark-domain":
      return [virsh(...markWords(action.domain, action.mark, action.on), "--config")];
    case "rename":
      return [virsh("domrename", action.domain, action.name)];
    case "commit":
      return [commit(action, below)];
    case "rebase":
      return rebaseOnto(action, below);
    case "relink":
      return [relink(action)];
    case "block-pull":
      return [
        virsh("blockpull", action.domain, action.device, ...(action.base === null ? [] : ["--base", action.base])),
      ];
    case "block-commit":
      return [virsh("blockcommit", action.domain, action.device, "--top", action.top, "--base", action.base)];
    case "block-commit-active":
      return [
        ...(action.part === "pivot"
          ? []
          : [virsh("blockcommit", action.domain, action.device, "--active", "--base", action.base)]),
        ...(action.part === "ready" ? [] : [virsh("blockjob", action.domain, action.device, "--pivot")]),
      ];
    case "settle-job":
      return [virsh("blockjob", action.domain, action.device, action.abort ? "--abort" : "--info")];
    case "close-unused":
      return [virsh("qemu-monitor-command", action.domain, '{"execute":"query-named-block-nodes"}')];
    case "restore-memory":
      return [virsh(...restoreMemory(action, `${nameIn(action.xml)}.xml`))];
    case "attach-disk":
      return [virsh("attach-device", action.domain, `${action.disk.device}.xml`, "--live", "--config")];
    case "detach-disk":
      return [virsh("detach-disk", action.domain, action.device, "--live", "--config")];
    case "block-resize":
      return [virsh("blockresize", action.domain, action.device, `${action.sizeBytes}b`)];
    case "set-mode":
      return [{ program: "chmod", args: [action.mode.toString(8), action.path] }];
    case "set-access":
      return accessCommands(action);
    case "open-passage":
      return [{ program: "chmod", args: ["a+x", action.path] }];
    case "make-folder":
      return [{ program: "mkdir", args: ["-m", "700", "-p", action.path] }];
    case "remove-folder":
      return [{ program: "rmdir", args: [action.path] }];
    case "write-file":
      return [{ program: "install", args: ["-m", (action.mode ?? 0o600).toString(8), "/dev/stdin", action.path] }];
    case "mark-use":
      return [action.on ? { program: "touch", args: [action.path] } : { program: "rm", args: ["-f", action.path] }];
    case "set-owner":
      return [
        { program: "chown", args: [...(action.ofLink ? ["-h"] : []), `${action.uid}:${action.gid}`, action.path] },
      ];
    case "sync":
      return [{ program: "sync", args: [action.path] }];
    case "unlink":
      return [{ program: "rm", args: ["-f", action.path] }];
    case "copy-file":
      return [{ program: "install", args: ["-m", action.mode.toString(8), action.from, action.to] }];
    case "save-tpm":
      return [{ program: "install", args: ["-m", "400", action.from, action.to] }];
    case "place-tpm":
      return [{ program: "install", args: ["-D", "-m", "600", action.from, action.to] }];
    case "remove-tpm":
      return [{ program: "rm", args: ["-rf", tpmFolder(folders, action.domain)] }];
    case "convert":
      return [convert(action, `${action.to}.part`, below), { program: "mv", args: [`${action.to}.part`, action.to] }];
    case "sysprep":
      return [sysprep(action)];
    case "download":
      return [curl(action)];
    case "convert-delta":
      return [...convertDelta(action, action.to), { program: "mv", args: [`${action.to}.part`, action.to] }];
    case "move-folder":
      return [{ program: "mv", args: ["-n", "-T", action.from, action.to] }];
    case "discard-folder":
      return [{ program: "rm", args: ["-rf", action.path] }];
    case "move-file":
      return [{ program: "mv", args: [action.replace ? "-f" : "-n", "-T", action.from, action.to] }];
    case "resize-disk":
      return [resize(action, below)];
    case "define-secret":
      return [
        virsh("secret-define", `${action.secret}.xml`),
        virsh("secret-set-value", "--secret", action.secret, "--plain", "--file", secretPath()),
      ];
    case "undefine-secret":
      return [virsh("secret-undefine", action.secret)];
    case "reserve-address":
      return [virsh(...updateNetwork(action.network, "add-last", hostXml(action), ["--live", "--config"]))];
    case "release-address":
      return [
        virsh(...updateNetwork(action.network, "delete", hostXml({ ...action, name: "" }), ["--live", "--config"])),
      ];
    case "set-forwards":
      return action.forwards.map((one) => virsh(...monitorWords(action.domain, addForward("hostnet0", one))));
    case "run-hook":
      return [{ program: action.path, args: [] }];
    case "set-crontab":
      return crontabCommands(action);
    case "create-seed":
      return [seedCommand(action.path, `${dirname(action.path)}/seed`)];
    case "renew-seed":
      return renewSeedCommands(action);
  }
}

export function updateNetwork(
  network: string,
  verb: "add-last" | "delete",
  xml: string,
  where: readonly string[],
): string[] {
  return ["net-update", "--network", network, verb, "ip-dhcp-host", xml, ...where];
}

/** A name that DNS does not allow is left out: dnsmasq would read a comma in it as its own. */
export function hostXml(host: { readonly mac: string; readonly ip: string; readonly name: string }): string {
  const name = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(host.name) ? ` name='${host.name}'` : "";
  return `<host mac='${escapeAttribute(host.mac)}'${name} ip='${escapeAttribute(host.ip)}'/>`;
}

function escapeAttribute(text: string): string {
  return text.replace(/[^0-9A-Za-z.:-]/g, "");
}

function ifStillOn(virsh: VirshWords["command"], { domain, timeoutMs }: Extract<Action, { do: "shutdown" }>): Command {
  return { ...virsh("destroy", domain), onlyIf: `it is still on after ${Math.round(timeoutMs / 1000)} s` };
}

/** A definition may hold the password of a screen. */
function withoutSecrets(xml: string): string {
  return xml.replaceAll(/\bpasswd=('[^']*'|"[^"]*")/g, "passwd='…'");
}

function nameIn(xml: string): string {
  return /<name>([^<]*)<\/name>/.exec(xml)?.[1] ?? "domain";
}
