import type { BuildOptions } from 'esbuild'

/** How the modules of the program are joined into one. */
export const JOIN_OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  // Together with ncc's own minifier a tenth smaller than with either alone.
  minify: true,
  // ES modules where a package has both: only they can be shaken.
  mainFields: ['module', 'main'],
  // Optional accelerators of `ws` and `pg`, which they look for at run time and do without.
  external: ['bufferutil', 'utf-8-validate', 'pg-native'],
  // CommonJS packages ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url)",
  },
  legalComments: 'none',
  logLevel: 'error',
} satisfies BuildOptions
