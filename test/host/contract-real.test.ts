/** The real host keeps the contract: in a private test host, with real virsh, qemu-img, QEMU and a real guest. */
import { hostContract } from "./contract.ts";
import { bedFolder, openRealRig } from "./real-rig.ts";

bedFolder(); // refuses to run anywhere else, before anything is touched
hostContract(openRealRig);
