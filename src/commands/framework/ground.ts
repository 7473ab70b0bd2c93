/**
 * What nearly every line loads, bound into one file of dist/: a module costs Node some 0.4 ms to find, read and link, and the bundler makes
 * one for each set of verbs that share something. verb.ts, noun.ts and main.ts import this, so that these are shared by all.
 */
import "../../core/names.ts";
import "../../core/recorded.ts";
import "../../core/values.ts";
import "../../errors.ts";
import "../../ui/errors.ts";
import "../../ui/output/columns.ts";
import "../../ui/output/json.ts";
import "../../ui/output/options.ts";
import "../../ui/plan.ts";
import "../../ui/text.ts";
import "../../ui/units.ts";
import "./arguments.ts";
import "./candidates.ts";
import "./globals.ts";
import "./help.ts";
import "./options.ts";
import "./parse.ts";
import "./resolve.ts";
import "./result.ts";
import "./suggest.ts";
import "./targets.ts";
import "./verb.ts";
