import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SpecProblem } from '../../domain/declaration.ts'
import type { Stack } from '../../domain/stack.ts'
import type { Playbook } from './spec.ts'

/** The playbooks and inventories that are declared and not there. */
export async function missingFiles({ spec }: Playbook, { source }: Pick<Stack, 'source'>): Promise<SpecProblem[]> {
  const { playbook, afterwards, inventories = [] } = spec
  const named = [
    { path: ['playbook'], file: playbook },
    ...(afterwards === undefined ? [] : [{ path: ['afterwards'], file: afterwards }]),
    ...inventories.map((file, index) => ({ path: ['inventories', String(index)], file })),
  ]
  return named
    .filter(({ file }) => !existsSync(resolve(source.directory, file)))
    .map(({ path, file }) => ({ path, what: `${file} does not exist` }))
}
