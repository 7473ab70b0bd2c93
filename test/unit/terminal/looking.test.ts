/** What is drawn: the tree, what runs, where the bytes are. */
import { session } from "./session.ts";

session("drawn", "estate", ["estrato snapshot tree web1", "estrato instance top --count 2"]);
