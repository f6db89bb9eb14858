import { resolve } from 'node:path'
import { build } from 'esbuild'

/** Bundles the server with everything it needs into one file: `node lab/application/build.ts <path of server.mjs>`. */
export async function buildApplication(output: string): Promise<void> {
  await build({
    entryPoints: [resolve(import.meta.dirname, 'main.ts')],
    outfile: output,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    // A stack in a log must still name functions.
    keepNames: true,
    external: ['pg-native'],
    // pg and ioredis are CommonJS and ask for Node's own modules with `require`.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  })
}

if (import.meta.main) {
  const output = process.argv[2]
  if (output === undefined) {
    console.error('Say where the bundle goes:  node lab/application/build.ts <path of server.mjs>')
    process.exit(2)
  }
  await buildApplication(resolve(output))
}
