import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonCodesPage } from '../src/reason-codes.ts'

/** Writes the pages that are made from the sources; the contract tests compare them. */
writeFileSync(join(import.meta.dirname, '..', 'docs', 'reason-codes.md'), reasonCodesPage())
