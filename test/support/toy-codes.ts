import { declareCodes } from '../../src/driver/kit/codes.ts'

/** The codes of toy drivers and stores: declared as a real driver does, and in no registry. */
export const toyCode = declareCodes('Toy', {
  'a-finding': 'A toy driver has something to say.',
  'answer-lost': 'The effect happened, and its answer was lost.',
  code: 'Any.',
  'demotion-refused': 'A toy database refuses to step down.',
  'disk-full': 'A toy database has no space.',
  'not-well': 'A toy component is not well.',
  refused: 'The effect was refused.',
  'shutdown-too-slow': 'A toy database shuts down too slowly.',
}).code
