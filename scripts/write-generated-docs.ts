import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exampleRunbooks } from '../test/support/example-runbooks.ts'
import { reasonCodesPage } from './reason-codes-page.ts'
import { vantagePointsPage } from './vantage-points-page.ts'

/** Writes the pages that are made from the sources; the contract tests compare them. */
const docs = join(import.meta.dirname, '..', 'docs')
writeFileSync(join(docs, 'reason-codes.md'), reasonCodesPage())
writeFileSync(join(docs, 'vantage-points.md'), vantagePointsPage())
mkdirSync(join(docs, 'runbooks'), { recursive: true })
for (const [file, runbook] of await exampleRunbooks()) writeFileSync(join(docs, 'runbooks', file), runbook)
