import { expect, test } from "vitest";
import { libvirtAt } from "../../../../src/core/binding/uri.ts";

const root = { uid: 0, machineName: "alpha" };
const ana = { uid: 1000, machineName: "alpha" };

test.each([
  "qemu:///system",
  "QEMU:///system",
  "qemu+unix:///system",
  "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
  "qemu+unix:///system?socket=%2Fvar%2Frun%2Flibvirt%2Fvirtqemud-sock",
  "qemu:///system?mode=legacy",
  "qemu://localhost/system",
  "qemu+tls://ALPHA:16514/system?no_verify=1",
  "qemu+tcp://127.0.0.1/system",
  "qemu+tcp://[::1]:16509/system",
  "qemu+ssh://ana@alpha/system?keyfile=/home/ana/.ssh/id&no_tty=1",
  "qemu+libssh2://root@alpha:22/system",
  "qemu:///system/",
])("%s is the libvirt of this machine, whoever asks", (uri) => {
  expect(libvirtAt(uri, ana)).toEqual({ uri: "qemu:///system", user: null });
  expect(libvirtAt(uri, root)).toEqual({ uri: "qemu:///system", user: null });
});

test("a session is its user's; root's is answered by the machine's own", () => {
  expect(libvirtAt("qemu+unix:///session", ana)).toEqual({ uri: "qemu:///session", user: 1000 });
  expect(libvirtAt("qemu:///session", { ...ana, uid: 1001 }).user).toBe(1001);
  expect(libvirtAt("qemu:///session", root)).toEqual({ uri: "qemu:///system", user: null });
});

test("a session over a network is that of whoever is logged in as", () => {
  expect(libvirtAt("qemu+ssh://bob@alpha/session", ana).uri).toBe("qemu://bob@alpha/session");
  expect(libvirtAt("qemu+ssh://bob@alpha/session", ana)).not.toEqual(libvirtAt("qemu+ssh://carol@alpha/session", ana));
});

test.each([
  ["test:///default", "qemu:///system"],
  ["qemu+ssh://beta/system", "qemu:///system"],
  ["qemu+ssh://beta/system", "qemu+ssh://gamma/system"],
  ["qemu+tcp://alpha:17000/system", "qemu:///system"],
  ["qemu+unix:///system?socket=/tmp/other-sock", "qemu:///system"],
  ["qemu:///embed?root=/a", "qemu:///embed?root=/b"],
  ["qemu+ext:///system?command=/a", "qemu:///system"],
  ["xen:///system", "qemu:///system"],
])("%s is another libvirt than %s", (one, other) => {
  expect(libvirtAt(one, ana)).not.toEqual(libvirtAt(other, ana));
});

test("how one gets to another machine makes no difference", () => {
  expect(libvirtAt("qemu+ssh://root@beta/system", ana)).toEqual(libvirtAt("qemu+tls://BETA/system", ana));
});
