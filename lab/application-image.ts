import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execute } from './execute.ts'
import { applicationImage, applicationImageNames, type Catalogue } from './images/catalogue.ts'
import { importMissing } from './images/import.ts'
import { cached, type SiteName } from './topology.ts'

/**
 * Builds the lab's application from the checkout and gives it to the sites; a site that has just this build is left
 * alone.
 */
export async function provideApplication(
  catalogue: Catalogue,
  sites: readonly SiteName[],
  signal: AbortSignal,
): Promise<void> {
  const build = join(import.meta.dirname, 'application', 'build.ts')
  if (!existsSync(build)) return
  const bundle = cached('application', 'server.mjs')
  await mkdir(dirname(bundle), { recursive: true })
  await execute(process.execPath, [build, bundle], { deadline: 60_000, signal })
  const image = await applicationImage(Object.values(applicationImageNames), bundle, catalogue)
  await Promise.all(sites.map((site) => importMissing(site, [image], signal)))
}
