// Bounds of what is made of other people's texts. Beyond each the text stands as it is; nothing is left out.

/** Of one block of markdown: the parser takes more than linear time. */
export const blockCharactersMax = 30_000;
/** Levels of quotes, lists and emphasis in one another. */
export const nestingMax = 24;
/** Elements that one block may become. */
export const nodesMax = 6_000;
/** Definitions of links that a text may give for all its blocks. */
export const definitionsMax = 100;
/** Of a text that is coloured by its language. */
export const colouredCharactersMax = 60_000;
/** Of what a program wrote for a terminal. */
export const terminalCharactersMax = 2_000_000;
/** Lines that a program can go back to, and columns that it can go to without writing. */
export const screenLines = 50;
export const columnsMax = 300;
/** Spaces set for columns that were passed over without writing, in all lines: beyond them what follows closes up. */
export const gapsMax = 2_000_000;
/** Pieces of different looks, of all its lines and of one: what is beyond has none. */
export const spansMax = 100_000;
export const lineSpansMax = 300;
/** How long one block, or one text to be coloured, may take. */
export const readingMs = 5_000;
/** How long a reader that could not be started is left alone. */
export const restMs = 30_000;
/** Results that are kept, and the longest text that one is kept of. */
export const keptMax = 500;
export const keptCharactersMax = 20_000;
