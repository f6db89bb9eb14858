import { declareCodes } from '../../src/driver/codes.ts'

/** The codes of toy drivers and stores: declared as a real driver does, and in no registry. */
export const toyCode = declareCodes('Toy', {
  'a-finding': 'A toy driver has something to say.',
  'answer-lost': 'The effect happened, and its answer was lost.',
  'backend-down': 'A toy backend is down.',
  code: 'Any.',
  'demotion-refused': 'A toy database refuses to step down.',
  'disk-full': 'A toy database has no space.',
  'image-missing': 'A toy image cannot be pulled.',
  'not-well': 'A toy component is not well.',
  refused: 'The effect was refused.',
  'rollout-failed': 'A toy rollout failed.',
  'shutdown-too-slow': 'A toy database shuts down too slowly.',
}).code
