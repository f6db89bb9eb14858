/** The former name of a part of `npm run generate`. */
await import('./generate.ts')
