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
 * What is wrong with a schedule, in words; null: nothing. As Kubernetes (five fields) and CloudNativePG (six, seconds first) read them: both
 * use robfig/cron, which takes neither 7 for Sunday nor the letters L, W and #. Pure.
 */
export function scheduleProblem(text: string, fields: 5 | 6): string | null {
  const declared = fields === 5 ? FIVE : [SECOND, ...FIVE]
  const parts = text.trim().split(/\s+/)
  if (parts.length !== fields) {
    const order = declared.map(({ name }) => name).join(' ')
    return `${text} has ${parts.length} ${parts.length === 1 ? 'field' : 'fields'}, and must have ${fields} (${order})`
  }
  const wrong = parts.findIndex((part, index) => !isRight(part, declared[index]))
  return wrong < 0 ? null : `${parts[wrong]} is no ${declared[wrong]?.name} of a schedule`
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
  const number = named >= 0 ? named + least : /^\d{1,2}$/.test(value) ? Number(value) : Number.NaN
  return number >= least && number <= most ? number : null
}
