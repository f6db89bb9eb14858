import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runDirectory } from './topology.ts'

/** The published stack that runs on machines; a lab that `up` starts for it has no Kubernetes. */
export const STACK_ON_MACHINES = 'infisical-on-premise'

/** What a lab of machines has where it was asked for: `up --stack … --with consul`. */
export const WITH = ['consul'] as const
export type With = (typeof WITH)[number]

export type LabKind = 'kubernetes' | 'machines'

const mark = join(runDirectory, 'of-machines')

/** True for a lab that was started for a stack on machines; false also where no lab runs. */
export const labIsOfMachines = (): boolean => existsSync(mark)

/** Notes, before the first host of the lab is made, that it is one of machines. */
export async function markLabOfMachines(): Promise<void> {
  await mkdir(runDirectory, { recursive: true, mode: 0o700 })
  await writeFile(mark, `${STACK_ON_MACHINES}\n`)
}

/** What the lab of this computer runs, or null where none was started, not even in part. */
export function presentKind(): LabKind | null {
  if (labIsOfMachines()) return 'machines'
  return existsSync(runDirectory) ? 'kubernetes' : null
}
