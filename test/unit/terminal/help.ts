/** Help, as it is wrapped to a terminal. */
import { session } from "./session.ts";

session("help-short", "nothing", ["estrato"]);
session("help", "nothing", ["estrato help"]);
session("help-noun", "nothing", ["estrato help volume"]);
session("help-verb", "nothing", ["estrato help snapshot create"]);
session("help-guide", "nothing", ["estrato help concepts | head -40", "COLUMNS=40 estrato help volume list"]);
