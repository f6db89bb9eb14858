import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { withoutGeneratedApi, withoutUndici } from '../../scripts/left-out.ts'

const root = join(import.meta.dirname, '..', '..')

/**
 * Puts the bundle of these very sources where a deploy finds it: beside the program that runs. Less minified than the
 * one in `dist/`, and made within a second or two.
 */
export async function bundleBeside(folder: string): Promise<void> {
  await build({
    entryPoints: [join(root, 'src', 'entry.ts')],
    outfile: join(folder, 'standby.js'),
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: true,
    mainFields: ['module', 'main'],
    external: ['bufferutil', 'utf-8-validate', 'pg-native'],
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url)",
    },
    plugins: [withoutGeneratedApi, withoutUndici],
    legalComments: 'none',
    logLevel: 'error',
  })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  process.argv[1] = join(folder, 'deploy.js')
}
