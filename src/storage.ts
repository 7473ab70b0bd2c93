/** The store and the settings, as one thing to load: every line that reads one reads the other. */
export { openStore, resolveHome } from "./store/index.ts";
export { openAtHome } from "./store/known-home.ts";
export { openSettings } from "./store/settings.ts";
