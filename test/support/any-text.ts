import fc from 'fast-check'

/**
 * Texts of any characters, and some names that JavaScript knows. `fc.string` with a unit of all of Unicode makes a
 * table of it first, which takes a second of processor time in each test file.
 */
export const anyText = (maxLength = 10): fc.Arbitrary<string> =>
  fc.oneof({ arbitrary: fc.array(character, { maxLength }).map((all) => all.join('')), weight: 9 }, names)

/** Half of a surrogate pair is no character. */
const character = fc
  .oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.nat({ max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point))
const names = fc.constantFrom('__proto__', 'constructor', 'toString', 'valueOf')
