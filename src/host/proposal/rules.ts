/**
 * What is taken of a definition that comes from outside, word by word: which elements, which attributes, and what these
 * may say. What is not here is left out, and so is what a later libvirt invents. Nothing of it can name a file, a
 * device, a network or a process of this host. Source of the words: libvirt.org/formatdomain.html.
 */
export interface Rule {
  readonly attributes?: Readonly<Record<string, RegExp>>;
  readonly children?: Readonly<Record<string, Rule>>;
  /** What it may hold as text. */
  readonly text?: RegExp;
  /** Names that are passed over without a word: what libvirt writes of its own, and what we write anew. */
  readonly unsaid?: readonly string[];
}

const NUMBER = /^\d{1,20}$/;
const PLACE = /^(0x[0-9a-f]{1,16}|\d{1,10})$/i;
/** A model, a type: no blank, no slash, no leading dash. */
export const WORD = /^[A-Za-z0-9][\w.+-]{0,63}$/;
const SWITCH = /^(on|off|yes|no)$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Where in the guest it is plugged in. */
const address: Rule = {
  attributes: {
    type: /^(pci|drive|usb|virtio-serial)$/,
    ...Object.fromEntries(
      ["domain", "bus", "slot", "function", "controller", "target", "unit"].map((name) => [name, PLACE]),
    ),
    port: /^[\d.]{1,20}$/,
    multifunction: SWITCH,
  },
};
const boot: Rule = { attributes: { order: NUMBER } };
const own = ["alias", "acpi"];

const cpu: Rule = {
  attributes: {
    mode: /^(custom|host-model|host-passthrough|maximum)$/,
    match: /^(minimum|exact|strict)$/,
    check: /^(none|partial|full)$/,
    migratable: SWITCH,
  },
  children: {
    model: { attributes: { fallback: /^(allow|forbid)$/ }, text: WORD },
    vendor: { text: WORD },
    feature: { attributes: { policy: /^(force|require|optional|disable|forbid)$/, name: WORD } },
  },
  unsaid: ["topology"], // of a number of processors that is chosen anew
};

const state: Rule = { attributes: { state: SWITCH } };
const hyperv: Rule = {
  attributes: { mode: /^(custom|passthrough)$/ },
  children: {
    ...Object.fromEntries(
      [
        ...["relaxed", "vapic", "vpindex", "runtime", "synic", "reset", "frequencies"],
        ...["reenlightenment", "tlbflush", "ipi", "evmcs", "avic"],
      ].map((name) => [name, state]),
    ),
    spinlocks: { attributes: { state: SWITCH, retries: NUMBER } },
    stimer: { attributes: { state: SWITCH }, children: { direct: state } },
    vendor_id: { attributes: { state: SWITCH, value: WORD } },
  },
};

export const FEATURES: Rule = {
  children: {
    acpi: {},
    apic: { attributes: { eoi: SWITCH } },
    pae: {},
    smm: state,
    vmport: state,
    hyperv,
    kvm: { children: { hidden: state } },
  },
};

export const CPU = cpu;

export const CLOCK: Rule = {
  attributes: { offset: /^(utc|localtime|variable)$/, basis: /^(utc|localtime)$/, adjustment: /^-?\d{1,12}$|^reset$/ },
  children: {
    timer: {
      attributes: {
        name: /^(rtc|pit|hpet|tsc|kvmclock|hypervclock|armvtimer)$/,
        tickpolicy: /^(delay|catchup|merge|discard)$/,
        track: /^(boot|guest|wall)$/,
        present: SWITCH,
        frequency: NUMBER,
        mode: /^(auto|native|emulate|paravirt|smpsafe)$/,
      },
    },
  },
};

/** Its `<loader>` and `<nvram>` name files: see domain.ts. */
export const OS: Rule = {
  attributes: { firmware: /^(efi|bios)$/ },
  children: {
    type: { attributes: { arch: WORD, machine: WORD }, text: /^hvm$/ },
    firmware: { children: { feature: { attributes: { enabled: SWITCH, name: WORD } } } },
    boot: { attributes: { dev: /^(hd|cdrom|network|fd)$/ } },
    bootmenu: { attributes: { enable: SWITCH, timeout: NUMBER } },
    bios: { attributes: { useserial: SWITCH, rebootTimeout: /^-?\d{1,6}$/ } },
  },
  unsaid: ["loader", "nvram"],
};

export const LOADER: Rule = {
  attributes: { readonly: SWITCH, secure: SWITCH, stateless: SWITCH, type: /^(pflash|rom)$/, format: /^(raw|qcow2)$/ },
};

/** Its file is ours: whoever makes it says which. */
export const DISK: Rule = {
  attributes: { device: /^disk$/ },
  children: {
    target: { attributes: { dev: /^[a-z]{2,8}$/, bus: /^(virtio|sata|scsi|ide|usb|sd)$/, rotation_rate: NUMBER } },
    serial: { text: /^[\w.+:-]{1,64}$/ },
    wwn: { text: /^[0-9a-f]{16}$/i },
    blockio: { attributes: { logical_block_size: NUMBER, physical_block_size: NUMBER } },
    boot,
    address,
  },
  unsaid: [...own, "driver", "source", "backingStore", "mirror", "encryption", "readonly"],
};

export const CARD: Rule = {
  children: { mac: {}, model: { attributes: { type: WORD } }, boot, address },
  unsaid: [...own, "source", "target", "backend", "portForward"],
};

/** Those that stand in the guest alone. */
export const DEVICES: Readonly<Record<string, Rule>> = {
  controller: {
    attributes: {
      type: /^(pci|usb|scsi|sata|ide|fdc|virtio-serial|ccid)$/,
      index: NUMBER,
      model: WORD,
      ports: NUMBER,
      vectors: NUMBER,
    },
    children: {
      master: { attributes: { startport: NUMBER } },
      model: { attributes: { name: WORD } },
      target: {
        attributes: { chassis: PLACE, port: PLACE, chassisNr: PLACE, busNr: PLACE, index: PLACE, hotplug: SWITCH },
      },
      address,
    },
    unsaid: own,
  },
  input: {
    attributes: { type: /^(mouse|tablet|keyboard)$/, bus: /^(ps2|usb|virtio)$/ },
    children: { address },
    unsaid: own,
  },
  video: {
    children: {
      model: {
        attributes: {
          type: /^(vga|cirrus|virtio|qxl|bochs|ramfb|none|vmvga)$/,
          ...Object.fromEntries(["ram", "vram", "vram64", "vgamem", "heads"].map((name) => [name, NUMBER])),
          primary: SWITCH,
        },
        children: { resolution: { attributes: { x: NUMBER, y: NUMBER } } },
      },
      address,
    },
    unsaid: own,
  },
  memballoon: { attributes: { model: /^(virtio|none)(-(non-)?transitional)?$/ }, children: { address }, unsaid: own },
  /** Its source of randomness is written anew. */
  rng: {
    attributes: { model: /^virtio(-(non-)?transitional)?$/ },
    children: { address },
    unsaid: [...own, "backend", "rate"],
  },
  tpm: {
    attributes: { model: /^tpm-(crb|tis|spapr)$/ },
    children: {
      backend: {
        attributes: { type: /^emulator$/, version: /^(1\.2|2\.0)$/, persistent_state: SWITCH },
        children: {
          // A secret of this libvirt, without which its state stays closed. It opens nothing else.
          encryption: { attributes: { secret: UUID } },
          active_pcr_banks: { children: { sha1: {}, sha256: {}, sha384: {}, sha512: {} } },
        },
        unsaid: ["source"],
      },
      address,
    },
    unsaid: own,
  },
};

/** Parts of a definition that are made anew, or that stand for nothing on the host: not worth a word. */
export const UNSAID = [
  ...["name", "uuid", "genid", "title", "description", "metadata", "memory", "currentMemory", "vcpu", "vcpus"],
  ...["on_poweroff", "on_reboot", "on_crash", "pm", "resource", "devices"],
];

export const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
export const NETWORK = /^[A-Za-z0-9][\w.+@-]{0,63}$/;
