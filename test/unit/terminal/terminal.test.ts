/** All that is played at real terminals, in one file: the program is bundled once, and two terminals serve all. */
import "./doing.ts";
import "./guided.ts";
import "./help.ts";
import "./lists.ts";
import "./looking.ts";
import "./shells.ts";
