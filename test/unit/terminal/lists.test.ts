/** Lists, as they stand on a terminal. */
import { session } from "./session.ts";

session("lists", "estate", ["estrato instance list", "estrato snapshot list web1", "estrato volume list"]);
