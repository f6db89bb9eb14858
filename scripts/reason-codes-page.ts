import { allReasonCodes } from './all-reason-codes.ts'
import { GENERATED } from './generated-mark.ts'

/** The page `docs/reason-codes.md`. */
export function reasonCodesPage(): string {
  const areas = Array.from(allReasonCodes(), ([area, codes]) => {
    const rows = Array.from(codes, ([code, meaning]) => `| \`${code}\` | ${meaning} |`)
    return [`## ${area}`, '', '| code | meaning |', '| --- | --- |', ...rows, ''].join('\n')
  })
  return [
    '# Reason codes',
    '',
    GENERATED,
    '',
    'The output `reason-code` of every action, `error.code` and `failure.code` in every `result`, and `code` of every finding is one of these.',
    'Codes are part of the interface: they are never renamed. Texts may change at any time; do not branch on them.',
    '',
    ...areas,
  ].join('\n')
}
