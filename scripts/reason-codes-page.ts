import { REASON_CODES } from '../src/errors/reason-codes.ts'

/** The page of the documentation, as it must be in `docs/reason-codes.md`. */
export function reasonCodesPage(): string {
  const areas = Object.entries(REASON_CODES).map(([area, codes]) => {
    const rows = Object.entries(codes).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)
    return [`## ${area}`, '', '| code | meaning |', '| --- | --- |', ...rows, ''].join('\n')
  })
  return [
    '# Reason codes',
    '',
    '<!-- Written by `node scripts/write-generated-docs.ts` from src/reason-codes.ts; a test compares. -->',
    '',
    'The output `reason-code` of every action, `error.code` and `failure.code` in every `result`, and `code` of every finding is one of these.',
    'Codes are part of the interface: they are never renamed. Texts may change at any time; do not branch on them.',
    '',
    ...areas,
  ].join('\n')
}
