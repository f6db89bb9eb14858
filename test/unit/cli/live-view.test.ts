import { expect, test } from '@jest/globals'
import { terminalLog } from '../../../src/cli/terminal.ts'
import { cellsOf, liveView } from '../../../src/reporting/live-view.ts'
import { masking as newMasking } from '../../../src/runtime/masking.ts'

const CLEAR = '\r\u001b[2K'

/** What a terminal shows in the end: a cleared line is gone. */
function screenOf(columns: number) {
  const lines = ['']
  return {
    columns,
    write(text: string) {
      for (const part of text.replaceAll(CLEAR, '\r').split(/(\r|\n)/)) {
        if (part === '\n') lines.push('')
        else if (part === '\r') lines[lines.length - 1] = ''
        else lines[lines.length - 1] += part
      }
    },
    lines,
  }
}

/** A live view on a screen, and the clock by which it measures. */
function shown(columns = 200, mask = (text: string) => text) {
  const clock = { now: 0 }
  const screen = screenOf(columns)
  return { clock, screen, view: liveView(screen, mask, () => clock.now) }
}
const begun = (id: string, expected = 8_000) => ({ kind: 'step-begun', at: '', id, title: '', expected }) as const

test('the last line tells what runs, since when, how long it usually takes and what it waits for', () => {
  const { clock, screen, view } = shown()
  view.listener(begun('database.demote@dc-a'))
  clock.now = 3_200
  view.listener({ kind: 'step-waiting', at: '', id: 'database.demote@dc-a', waitingFor: 'pg-dc-a to stop' })
  expect(screen.lines).toEqual(['▸ database.demote@dc-a 3.2 s of usually 8.0 s: pg-dc-a to stop'])
  view.line('a line of the log')
  expect(screen.lines).toEqual(['a line of the log', '▸ database.demote@dc-a 3.2 s of usually 8.0 s: pg-dc-a to stop'])
  view.listener({ kind: 'step-ended', at: '', id: 'database.demote@dc-a', outcome: 'done', duration: 3_200 })
  view.end()
  expect(screen.lines).toEqual(['a line of the log', ''])
})

test('durations of former runs replace the expectation of the plan, and a step that takes longer than most is named', () => {
  const { clock, screen, view } = shown()
  view.listener(begun('database.demote@dc-a'))
  clock.now = 3_200
  view.learn(new Map([['database.demote', { p50: 4_000, p75: 5_000, runs: 12 }]]))
  expect(screen.lines).toEqual(['▸ database.demote@dc-a 3.2 s of usually 4.0 s to 5.0 s'])
  clock.now = 6_000
  view.line('later')
  expect(screen.lines.at(-1)).toBe('▸ database.demote@dc-a 6.0 s LONGER than 5.0 s, which 3 of 4 runs kept (12 known)')
  view.end()
})

test('the live line never wraps, however much runs, and shows no secret', () => {
  const { screen, view } = shown(40, (text) => text.replace('dc-b', '***'))
  for (const id of ['database.promote@dc-b', 'application.prepare@dc-b', 'cache.start@dc-b']) view.listener(begun(id))
  expect(screen.lines).toHaveLength(1)
  expect(screen.lines[0]?.length).toBeLessThan(40)
  expect(screen.lines[0]).toContain('database.promote@***')
  view.end()
  expect(screen.lines).toEqual([''])
})

test('the live line is one line, whatever a site says, and counts cells: what is wide takes two', () => {
  const waiting = (waitingFor: string, columns = 60): string => {
    const { screen, view } = shown(columns)
    view.listener(begun('a.b@dc-a', 0))
    view.listener({ kind: 'step-waiting', at: '', id: 'a.b@dc-a', waitingFor })
    const [line = '', ...others] = screen.lines
    expect(others).toEqual([])
    view.end()
    return line
  }
  expect(waiting('pod is waiting:\nBack-off\tpulling\u001b[2J')).toBe(
    '▸ a.b@dc-a 0 ms: pod is waiting: Back-off pulling[2J',
  )
  for (const wide of ['⏳'.repeat(60), '待'.repeat(60), '⏳待x'.repeat(30)]) {
    expect(cellsOf(waiting(wide))).toBeLessThan(60)
    expect(cellsOf(waiting(wide))).toBeGreaterThan(56)
  }
  expect(cellsOf('▸ e\u0301 ⏳ 待')).toBe(9)
  expect(cellsOf(waiting('x'.repeat(200), 0))).toBe(79)
})

test('no secret reaches a terminal, and a longer secret is not left half visible', () => {
  const masking = newMasking()
  for (const secret of ['hunter', 'hunter22-long']) masking.add(secret)
  const lines: string[] = []
  const log = terminalLog({ quiet: false, mask: masking.masked, write: (line) => lines.push(line) })
  log.info('password hunter22-long, again hunter')
  expect(lines[0]).toMatch(/ s {2}password \*\*\*, again \*\*\*$/)
})

test('--quiet keeps warnings and drops the rest', () => {
  const lines: string[] = []
  const log = terminalLog({ quiet: true, mask: (text) => text, write: (line) => lines.push(line) })
  log.info('x')
  log.debug('y')
  log.warning('z')
  expect(lines).toEqual([expect.stringMatching(/! z$/)])
})
