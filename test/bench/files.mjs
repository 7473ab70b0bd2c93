// Guests that are off: merges, and what moves no data however much there is.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { both, idleDomain, median, put } from "./measure.mjs";
import { profile } from "./profile.mjs";

/** base <- a (200 MiB) <- b (40 MiB) <- head: deleting the snapshot of a merges the smaller side, b's 40 MiB. */
export function deletion(tools) {
  const { builds, inTurns, rounds, row, node, run, define, folder } = tools;
  const io = (file, ...commands) =>
    execFileSync("qemu-io", ["-f", "qcow2", ...commands.flatMap((one) => ["-c", one]), file], { stdio: "ignore" });
  const create = (file, ...more) => execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", ...more, file, "1G"]);
  const prepare = (build, name) => {
    create(join(folder, `${name}.qcow2`));
    define(idleDomain(name, join(folder, `${name}.qcow2`)));
    const head = () => {
      const state = JSON.parse(readFileSync(join(build.home, "state.json"), "utf8"));
      const volume = Object.values(state.volumes).find((one) => state.instances[one.instance]?.name === name);
      return state.layers[volume.head].file;
    };
    build.estrato("snapshot", "create", name, "root", "-q");
    io(head(), "write -q -P 9 0 200M");
    build.estrato("snapshot", "create", name, "a", "-q");
    io(head(), "write -q -P 9 0 40M");
    build.estrato("snapshot", "create", name, "b", "-q");
  };
  const ways = Object.fromEntries(
    builds.map((build) => [
      build.name,
      (round) => {
        const name = `${build.name}-del-${round}`;
        prepare(build, name);
        return build.estrato("snapshot", "delete", `${name}/a`);
      },
    ]),
  );
  const whole = [];
  const t = inTurns(rounds(5), {
    ...ways,
    commit: (round) => {
      const [base, over, head] = ["a", "b", "head"].map((layer) => join(folder, `raw-${round}-${layer}.qcow2`));
      create(base);
      io(base, "write -q -P 9 0 200M");
      create(over, "-b", base, "-F", "qcow2");
      io(over, "write -q -P 8 0 40M");
      create(head, "-b", over, "-F", "qcow2");
      const took = run("qemu-img", ["commit", "-q", "-d", over]);
      // What is left to do then: what stands on the layer is re-pointed, and its file removed.
      const rebased = run("qemu-img", ["rebase", "-u", "-f", "qcow2", "-b", base, "-F", "qcow2", head]);
      whole.push(both(took, both(rebased, run("rm", [over]))));
      return took;
    },
    node,
  });
  const what = "snapshot delete, a middle one, 40 MiB";
  row(what, t, "qemu-img commit + node", both(t.commit, t.node), "2.3");
  row(what, t, "the same, rebase -u, rm", both(median(whole), t.node));
  const build = builds.at(-1);
  const line = (name) => {
    prepare(build, `${build.name}-${name}`);
    return ["snapshot", "delete", `${build.name}-${name}/a`];
  };
  tools.profiles.push(profile(tools, build, "snapshot delete", line));
}

/** A guest that is off, and whose disk holds so much. */
function writtenGuest({ define, folder }, name, mib) {
  const file = join(folder, `${name}.qcow2`);
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", file, "12G"]);
  const piece = Math.min(mib, 1024);
  const writes = Array.from({ length: mib / piece }, (_, index) => ["-c", `write -q -P 7 ${index * piece}M ${piece}M`]);
  execFileSync("qemu-io", ["-f", "qcow2", "-t", "none", ...writes.flat(), file]);
  define(idleDomain(name, file));
}

const SIZES = [10, 4096];

/** Of this build alone: against itself with next to no data. */
export function dataless(tools) {
  const { builds, inTurns, rounds, row } = tools;
  const build = builds.at(-1);
  for (const mib of SIZES) writtenGuest(tools, `data-${mib}`, mib);
  for (const mib of SIZES) build.estrato("snapshot", "create", `data-${mib}`, "s", "-q");
  const of = (...words) =>
    Object.fromEntries(
      SIZES.map((mib) => [
        mib,
        (round) => build.estrato(...words.map((word) => word.replaceAll("%", mib).replaceAll("#", round))),
      ]),
    );
  const against = "itself at 10 MiB";
  const images = inTurns(rounds(5), of("image", "create", "image-%-#", "--from-snapshot", "data-%/s"));
  row("image create --from-snapshot, 4 GiB", { [build.name]: images[4096] }, against, images[10], "1.2");
  const shelved = { shelve: [], unshelve: [] };
  for (let round = 0; round < rounds(5); round += 1)
    for (const verb of ["shelve", "unshelve"])
      for (const mib of SIZES) put(shelved[verb], mib, build.estrato(verb, `data-${mib}`));
  for (const verb of ["shelve", "unshelve"])
    row(`${verb}, 4 GiB`, { [build.name]: median(shelved[verb][4096]) }, against, median(shelved[verb][10]), "1.2");
}
