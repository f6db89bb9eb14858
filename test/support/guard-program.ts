import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { JOIN_OPTIONS } from '../../scripts/join-options.ts'
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
    ...JOIN_OPTIONS,
    plugins: [withoutGeneratedApi, withoutUndici],
  })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  process.argv[1] = join(folder, 'deploy.js')
}
