import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A network is one of libvirt's, made with virsh net-define: `instance create --network` puts an instance on it, at an address that is reserved " +
    "for it where libvirt serves addresses there. What needs no network of libvirt's is --network user.",
  verbs: {
    list: { summary: "List the networks of libvirt", load: () => import("./list.ts") },
    show: { summary: "Show networks of libvirt", load: () => import("./show.ts") },
  },
});
