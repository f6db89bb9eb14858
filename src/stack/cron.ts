interface Field {
  readonly name: string
  readonly least: number
  readonly most: number
  readonly names?: readonly string[]
}
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'] as const
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] as const
const SECOND: Field = { name: 'second', least: 0, most: 59 }
const FIVE: readonly Field[] = [
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12, names: MONTHS },
  { name: 'weekday', least: 0, most: 6, names: DAYS },
]

/**
 * What is wrong with a schedule, as a message; null: nothing. Six fields begin with the second. Follows robfig/cron,
 * which accepts neither 7 for Sunday nor the letters L, W and #. Pure.
 */
export function scheduleProblem(text: string, fields: 5 | 6): string | null {
  const declared = fields === 5 ? FIVE : [SECOND, ...FIVE]
  const parts = text.trim().split(/\s+/)
  if (parts.length !== fields) {
    const order = declared.map(({ name }) => name).join(' ')
    return `${text} has ${parts.length} ${parts.length === 1 ? 'field' : 'fields'}, and must have ${fields} (${order})`
  }
  const wrong = parts.findIndex((part, index) => !isRight(part, declared[index]))
  if (wrong >= 0) return `${parts[wrong]} is not a valid ${declared[wrong]?.name} of a schedule`
  return comesEver(parts.slice(-3)) ? null : `${text} never occurs: no such month has such a day`
}

/** Days of each month, in a year that has the most of them. */
const LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

/**
 * Whether such a day exists. A schedule with a day of the week occurs in each month: robfig/cron matches either of the
 * two.
 */
function comesEver([day = '', month = '', weekday = '']: readonly string[]): boolean {
  if (!/^[*?](\/1)?$/.test(weekday)) return true
  const [, , days, months] = FIVE
  const earliest = Math.min(...valuesOf(day, days))
  return [...valuesOf(month, months)].some((one) => earliest <= (LENGTHS[one - 1] ?? 0))
}

/** The numbers of a valid field. */
const valuesOf = (part: string, field: Field | undefined): number[] =>
  field === undefined ? [] : part.split(',').flatMap((item) => valuesOfItem(item, field))

function valuesOfItem(item: string, field: Field): number[] {
  const [range = '', step] = item.split('/')
  const isAny = range === '*' || range === '?'
  const [from = field.least, to = step === undefined && !isAny ? from : field.most] = isAny
    ? []
    : range.split('-').map((value) => numberOf(value, field) ?? field.least)
  return Array.from({ length: to - from + 1 }, (_, index) => from + index).filter(
    (value) => (value - from) % Number(step ?? 1) === 0,
  )
}

function isRight(part: string, field: Field | undefined): boolean {
  if (field === undefined) return false
  return part.split(',').every((item) => {
    const [range = '', step, ...more] = item.split('/')
    if (more.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step))) return false
    if (range === '*' || range === '?') return true
    const [from, to, ...others] = range.split('-').map((value) => numberOf(value, field))
    return others.length === 0 && from !== undefined && from !== null && to !== null && (to === undefined || from <= to)
  })
}

function numberOf(value: string, { least, most, names = [] }: Field): number | null {
  const named = names.indexOf(value.toUpperCase())
  if (named < 0 && !/^\d{1,2}$/.test(value)) return null
  const number = named < 0 ? Number(value) : named + least
  return number >= least && number <= most ? number : null
}
