import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { refuseUnwritable, writeOutput } from '../../src/runtime/output-file.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('a file that a result is written to', () => {
  test('is refused before the work when its folder is missing, with the folder and what to do', async () => {
    const path = join(temporaryFolder(), 'plans', 'plan.json')
    await expect(refuseUnwritable(path)).rejects.toMatchObject({
      code: 'output-not-writable',
      mustAct: 'input',
      message: expect.stringContaining(`the folder ${join(path, '..')} does not exist`),
      next: expect.stringContaining('mkdir -p'),
    })
    await expect(writeOutput(path, 'x')).rejects.toMatchObject({ code: 'output-not-writable' })
  })

  test('is refused when it is a folder, or lies below a file', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'plan.json'))
    await expect(refuseUnwritable(join(folder, 'plan.json'))).rejects.toMatchObject({ code: 'output-not-writable' })
    await writeOutput(join(folder, 'file'), '')
    await expect(refuseUnwritable(join(folder, 'file', 'plan.json'))).rejects.toMatchObject({
      code: 'output-not-writable',
    })
  })

  test('is accepted when it can be made or replaced, and holds exactly the text afterwards', async () => {
    const path = join(temporaryFolder(), 'plan.json')
    await refuseUnwritable(path)
    await writeOutput(path, 'one')
    await refuseUnwritable(path)
    await writeOutput(path, 'two')
    expect(readFileSync(path, 'utf8')).toBe('two')
  })
})
