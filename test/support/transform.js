import swc from '@swc/jest'

/**
 * What most modules ask for thousands of times. Jest runs each test file in a context of its own, where every look at a
 * global leaves the engine; as constants of the module they cost nothing.
 */
const GLOBALS = ['Array', 'JSON', 'Map', 'Math', 'Number', 'Object', 'Promise', 'Set', 'String']

const transformer = swc.createTransformer({
  jsc: { parser: { syntax: 'typescript' }, target: 'es2023', experimental: { keepImportAttributes: true } },
  module: { type: 'es6' },
})

/** In the first line: those after it keep their numbers. */
const withGlobals = ({ code, ...rest }) => ({ ...rest, code: `const { ${GLOBALS.join(', ')} } = globalThis; ${code}` })

// biome-ignore lint/style/noDefaultExport: Jest takes a transformer from the default export
export default {
  ...transformer,
  getCacheKey: (...args) => `${transformer.getCacheKey(...args)}-globals`,
  process: (...args) => withGlobals(transformer.process(...args)),
  processAsync: async (...args) => withGlobals(await transformer.processAsync(...args)),
}
