import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { run, sure } from "./processes.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";
import { tpmFile } from "./uefi-guest.ts";

const program = resolve(import.meta.dirname, "../../bin/estrato");
const second = resolve(import.meta.dirname, "../bed/second");

/** Guests name their disks in an order of their own: the data volume is found by its 16 MiB, in sectors. */
const DATA = "$(grep -lx 32768 /sys/block/vd*/size | sed 's,/sys/block/,/dev/,; s,/size,,')";

/** What estrato-recovery(7) tells to do, on a machine that has nothing of the lost one but the target. */
describe("the guests of a lost host", () => {
  let rig: Rig;
  let target: string;
  const was: Record<string, string> = {};

  beforeAll(async () => {
    rig = await makeRig();
    target = join(rig.folder, "target");
    mkdirSync(target);
    await rig.create("web1", "--property", "description=the shop");
    await rig.ok("instance", "set", "web1", "--autostart", "on");
    await rig.ok("volume", "create", "data", "--size", "16M");
    await rig.ok("volume", "attach", "web1", "data");
    await rig.guest("web1", `echo written > /root/state && echo by-web1 > ${DATA} && sync`);
    was.machine = await rig.guest("web1", "cat /etc/machine-id; cat /etc/dropbear/*key | sha256sum");
    await rig.ok("backup", "web1", "--target", target, "--rotation", "7", "--type", "nightly", "--incremental");
    await rig.guest("web1", "echo rewritten > /root/state; sync");
    await rig.ok("backup", "web1", "--target", target, "--rotation", "7", "--type", "nightly", "--incremental");
    await makeOff("web2");
    await rig.ok("backup", "web2", "--target", target, "--rotation", "7", "--name", "good");
    was.web1 = await facts();
    was.disks = await rig.ok("volume", "list", "-f", "json");
    await rig.ok("instance", "stop", "web1", "--force");
  });

  const shown = ["-f", "json", "-c", "id", "-c", "name", "-c", "macs", "-c", "key_name", "-c", "created_at"];
  const facts = () =>
    rig.ok("instance", "show", "web1", ...shown, "-c", "properties", "-c", "addresses", "-c", "image_id");

  /** A guest with UEFI and a TPM that is off: what its firmware kept is written by hand, since a boot takes long. */
  async function makeOff(name: string): Promise<void> {
    await rig.ok("instance", "create", name, "--image", "base", "--vcpus", "1", "--ram", "256M", "--no-start");
    const nvram = join(rig.folder, "vars.fd");
    copyFileSync("/usr/share/OVMF/OVMF_VARS_4M.fd", nvram);
    await sure("sh", "-c", `printf mine | dd of=${nvram} bs=1 seek=4096 conv=notrunc 2>/dev/null`);
    const secure = "<firmware><feature enabled='no' name='secure-boot'/></firmware>";
    const xml = (await virsh("dumpxml", name, "--inactive"))
      .replace("<os>", `<os firmware='efi'>${secure}`)
      .replace("</os>", `<nvram>${nvram}</nvram></os>`)
      .replace("</devices>", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>");
    const file = join(rig.folder, `${name}.xml`);
    writeFileSync(file, xml);
    await virsh("define", file);
    const tpm = await tpmFile(name);
    mkdirSync(dirname(tpm), { recursive: true });
    writeFileSync(tpm, "sealed");
  }

  it("come back as themselves from the target alone, boot, and are backed up on", async () => {
    const out = join(rig.folder, "out");
    mkdirSync(out);
    const script = join(rig.folder, "recover.sh");
    writeFileSync(
      script,
      `set -eu
      exec 2>${out}/notes
      estrato() { ${program} "$@"; }
      estrato backup list --target ${target} -f value -c name -c instance -c type -c status > ${out}/listed
      estrato backup verify --all --target ${target} -f value -c status > ${out}/verified
      newest=$(estrato backup list web1 --target ${target} -f value -c id | tail -1)
      estrato backup restore $newest --as-it-was --target ${target} -f value -c instance -c id > ${out}/restored
      estrato backup restore web2/good --as-it-was --target ${target} --no-start
      code=0; estrato backup restore $newest --as-it-was --target ${target} || code=$?; echo $code > ${out}/again
      estrato instance show web1 ${shown.join(" ")} -c properties -c addresses -c image_id > ${out}/web1
      estrato volume list -f json > ${out}/disks
      virsh dominfo web1 > ${out}/dominfo
      virsh net-dumpxml default > ${out}/network
      estrato instance ssh web1 --timeout 10m -i ${rig.key} -- "cat /root/state; head -c 7 ${DATA.replace("$", "\\$")}" > ${out}/state
      estrato instance ssh web1 -i ${rig.key} -- 'cat /etc/machine-id; cat /etc/dropbear/*key | sha256sum' > ${out}/machine
      virsh dumpxml web2 --inactive > ${out}/web2.xml
      cp $(sed -n 's,.*<nvram[^>]*>\\(.*\\)</nvram>.*,\\1,p' ${out}/web2.xml) ${out}/vars.fd
      cp /var/lib/libvirt/swtpm/$(virsh domuuid web2)/tpm2/tpm2-00.permall ${out}/tpm
      estrato schedule create web1-nightly --backup web1 --target ${target} --type nightly --incremental --rotation 2 --cron "0 3 * * *"
      estrato schedule run web1-nightly > ${out}/run
      estrato backup list web1 --target ${target} -f value -c incremental > ${out}/backups
      estrato check > ${out}/check
      estrato doctor -f json > ${out}/doctor
      `,
    );
    const ran = await run(second, ["bash", script]);
    const notes = readFileSync(join(out, "notes"), "utf8");
    expect(ran.code, `${ran.stdout}${ran.stderr}${notes}`).toBe(0);
    const said = (name: string) => readFileSync(join(out, name), "utf8").trim();
    expect(said("listed").split("\n").sort()).toEqual([
      "None web1 nightly available",
      "None web1 nightly available",
      "good web2 manual available",
    ]);
    expect(said("verified")).toBe("ok\nok\nok");
    expect(JSON.parse(said("web1"))).toEqual(JSON.parse(was.web1 ?? ""));
    expect(said("restored")).toBe(`web1 ${JSON.parse(was.web1 ?? "").id}`);
    expect(said("again")).toBe("5");
    expect(notes).toContain("instance web1: it lives here");
    const kept = (text: string) =>
      (JSON.parse(text) as Record<string, unknown>[]).map(({ id, name, instance, device }) => ({
        id,
        name,
        instance,
        device,
      }));
    expect(kept(said("disks"))).toEqual(kept(was.disks ?? ""));
    expect(said("dominfo")).toMatch(/^Autostart: +enable/m);
    const { macs, addresses } = JSON.parse(was.web1 ?? "");
    expect(said("network")).toMatch(new RegExp(`<host mac='${macs[0]}'[^>]* ip='${addresses[0]}'/>`));
    expect(said("state")).toBe("rewritten\nby-web1");
    expect(said("machine")).toBe(was.machine);
    await sure("cmp", join(out, "vars.fd"), join(rig.folder, "vars.fd"));
    expect(said("tpm")).toBe("sealed");
    expect(said("backups").split("\n")).toHaveLength(2);
    expect(said("check")).toMatch(/^ESTRATO OK|OK/);
    expect(JSON.parse(said("doctor"))).toEqual([]);
  });
});
