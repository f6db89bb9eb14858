/** Whether this Node is too old; says so. */
export function nodeIsTooOld() {
  const found = process.versions.node
  if (Number(found.split('.')[0]) >= 24) return false
  const sentence = 'this is Node ' + found + ', and ' + "Standby needs Node 24 or newer"
  const next = "Install Node 24 (https://nodejs.org), or use a runner that knows node24. Nothing was changed."
  if (process.env.GITHUB_ACTIONS === 'true') console.log('::error::node-too-old: ' + sentence + '. ' + next)
  else console.error('standby: node-too-old\n  ' + sentence + '\n  next:  ' + next)
  process.exitCode = 2
  return true
}
