import { noun } from "../framework/noun.ts";

export default noun({
  description: `An instance is a virtual machine: a domain of libvirt whose disks are volumes on layers. Every guest of libvirt is listed; one that estrato did
not make is adopted by the first verb that needs its layers.`,
  verbs: {
    create: { summary: "Make an instance from an image or a snapshot", load: () => import("./create.ts") },
    list: { summary: "List the instances of this host", load: () => import("./list.ts") },
    show: { summary: "Show instances in full", load: () => import("./show.ts") },
    top: { summary: "Watch what the running instances use", load: () => import("./top.ts") },
    start: { summary: "Start instances", load: () => import("./start.ts") },
    stop: { summary: "Stop instances", load: () => import("./stop.ts") },
    reboot: { summary: "Reboot instances", load: () => import("./reboot.ts") },
    pause: { summary: "Let instances stand still", load: () => import("./pause.ts") },
    resume: { summary: "Let paused instances run on", load: () => import("./resume.ts") },
    delete: { summary: "Delete instances with their snapshots", load: () => import("./delete.ts") },
    set: { summary: "Change an instance's name, properties or autostart", load: () => import("./set.ts") },
    resize: { summary: "Change an instance's vCPUs and memory", load: () => import("./resize.ts") },
    rebuild: { summary: "Give instances new disks on their image, or another", load: () => import("./rebuild.ts") },
    shelve: { summary: "Put instances away without losing anything", load: () => import("./shelve.ts") },
    unshelve: { summary: "Bring shelved instances back", load: () => import("./unshelve.ts") },
    console: { summary: "Connect the terminal with an instance's serial console", load: () => import("./console.ts") },
    log: { summary: "Print what an instance wrote to its serial console", load: () => import("./log.ts") },
    ssh: { summary: "Open a shell on an instance, or run a command there", load: () => import("./ssh.ts") },
    exec: { summary: "Run a command in an instance without a network", load: () => import("./exec.ts") },
    push: { summary: "Write a file into an instance without a network", load: () => import("./push.ts") },
    pull: { summary: "Read a file out of an instance without a network", load: () => import("./pull.ts") },
    "ssh-config": {
      summary: "Print, or install, what ssh must know of instances",
      load: () => import("./ssh-config.ts"),
    },
    screenshot: { summary: "Take a picture of an instance's screen", load: () => import("./screenshot.ts") },
    adopt: { summary: "Take guests that estrato did not make into its care", load: () => import("./adopt.ts") },
    release: { summary: "Give adopted guests back as they were", load: () => import("./release.ts") },
  },
});
