/**
 * The parser of XML, in a module of its own: an entry point of the build (build.mjs), so that it is loaded by who
 * parses with it, and not with xml.ts, which mostly does without.
 */
export { DOMParser, onErrorStopParsing, XMLSerializer } from "@xmldom/xmldom";
