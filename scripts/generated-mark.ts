/** Stands at the top of a page that `npm run generate` writes. */
export const GENERATED = '<!-- Written by `npm run generate` from the sources; a test compares. -->'
