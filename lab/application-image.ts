import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execute } from './execute.ts'
import { applicationImage, applicationImageNames, type Catalogue } from './images/catalogue.ts'
import { importMissing } from './images/import.ts'
import { cached, siteNames } from './topology.ts'

/** Builds the lab's application from the checkout and gives it to both sites; a site that has just this build is left alone. */
export async function provideApplication(catalogue: Catalogue, signal: AbortSignal): Promise<void> {
  const build = join(import.meta.dirname, 'application', 'build.ts')
  if (!existsSync(build)) return
  const bundle = cached('application', 'server.mjs')
  await mkdir(dirname(bundle), { recursive: true })
  await execute(process.execPath, [build, bundle], { deadline: 60_000, signal })
  const image = await applicationImage(Object.values(applicationImageNames), bundle, catalogue)
  await Promise.all(siteNames.map((site) => importMissing(site, [image], signal)))
}
