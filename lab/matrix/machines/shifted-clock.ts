/**
 * NODE_OPTIONS of a program whose clock is off: the machines of the lab share the clock of this computer, so that only
 * a program can be wrong about the time. What it measures by `performance.now()` stays right, as on a machine whose
 * clock is off and runs.
 */
export const shiftedClock = (byMs: number): string => {
  const code = [
    'const Right = Date',
    `const now = () => Right.now() + ${byMs}`,
    'globalThis.Date = class extends Right {',
    '  constructor(...given) { super(...(given.length === 0 ? [now()] : given)) }',
    '  static now() { return now() }',
    '}',
  ].join('\n')
  return `--import=data:text/javascript,${encodeURIComponent(code)}`
}
