import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../src/domain/plan.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import { EXAMPLES, examplePlan, exampleRunbook, exampleRunbooks } from '../../support/example-runbooks.ts'
import { pathOfStack } from '../../support/published-stacks.ts'

const docs = join(import.meta.dirname, '../../../docs/runbooks')
const theStack = (): Promise<Stack> => loadStack(pathOfStack('infisical-kubernetes'), { drivers, witnesses })
const moves: [string, Intent][] = [
  ['switchover', EXAMPLES['infisical-kubernetes-switchover.md']],
  ['failover', EXAMPLES['infisical-kubernetes-failover.md']],
  ['rejoin', EXAMPLES['infisical-kubernetes-rejoin.md']],
]
/** What stands between the fences of a runbook. */
const commandsOf = (runbook: string): string =>
  [...runbook.matchAll(/^(`{3,})sh\n([\s\S]*?)\n\1$/gm)].map(([, , lines = '']) => lines).join('\n')
/** As a shell reads it: without what runs nothing. */
const withoutRemarks = (commands: string): string => commands.replaceAll(/^\s*#.*$|\s{3}#.*$/gm, '')

test('the published runbooks are those that the sources give', async () => {
  // Differs? npm run generate
  for (const [file, runbook] of await exampleRunbooks()) expect(readFileSync(join(docs, file), 'utf8')).toBe(runbook)
})

describe.each(moves)('the runbook of a %s', (mode, intent) => {
  test('has every step of the plan, in an order in which one can do them', async () => {
    const stack = await theStack()
    const plan = examplePlan(stack, intent)
    const numbered = [...exampleRunbook(stack, intent).matchAll(/^### (\d+)\. `(.+)`$/gm)].map(([, , id]) => id)
    expect([...numbered].sort()).toEqual(plan.steps.map(({ id }) => id).sort())
    for (const step of plan.steps)
      for (const need of step.needs) expect(numbered.indexOf(need)).toBeLessThan(numbered.indexOf(step.id))
  })

  test('is of a move that Standby would make, too, and keeps the site from writing that is not the active one in the end', async () => {
    const runbook = exampleRunbook(await theStack(), intent)
    expect(runbook).not.toContain('Standby refuses this')
    expect(runbook).not.toContain('dc-b must not be able to accept a write')
  })

  test('says for each step what to type and when it is done, or that there is no short manual procedure', async () => {
    const stack = await theStack()
    const runbook = exampleRunbook(stack, intent)
    const sections = runbook.split(/^### /m).slice(1)
    const without = sections
      .filter((section) => section.includes('no short manual procedure'))
      .map((section) => /`(.+?)@/.exec(section)?.[1])
    expect(without).toEqual(
      mode === 'rejoin' ? ['database.publish-server-name', 'database.clone', 'database.refresh-streaming'] : [],
    )
    for (const section of sections) expect(section).toMatch(/\*\*Done when:\*\*|no short manual procedure/)
  })

  test('holds lines that a shell can read', async () => {
    const { status, stderr } = spawnSync('sh', ['-n'], {
      input: commandsOf(exampleRunbook(await theStack(), intent)),
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('holds no value of a credential, and reads none into a line', async () => {
    expect(commandsOf(exampleRunbook(await theStack(), intent))).not.toMatch(
      /SECRET_ACCESS_KEY|PRIVATE_KEY|AUTH=|password/i,
    )
  })
})

test('a failover by hand rests on nothing of the lost site but what lies outside of it', async () => {
  const commands = withoutRemarks(
    commandsOf(exampleRunbook(await theStack(), EXAMPLES['infisical-kubernetes-failover.md'])),
  )
  expect(commands).not.toMatch(/kubectl --context dc-a|helm --kube-context dc-a/)
  expect(commands).toMatch(/kubectl --context dc-b/)
})

test('the token is there before anything is promoted with it, and both come in one patch', async () => {
  const lines = commandsOf(exampleRunbook(await theStack(), EXAMPLES['infisical-kubernetes-switchover.md'])).split('\n')
  const made = lines.findIndex((line) => line.startsWith('TOKEN=$('))
  const used = lines.findIndex((line) => line.includes('"$TOKEN') || line.includes('\\"$TOKEN'))
  const promoted = lines.filter(
    (line) => line.includes('patch cluster pg-dc-b') && line.includes('promotionToken') && line.includes('$TOKEN'),
  )
  expect(made).toBeGreaterThan(0)
  expect(used).toBeGreaterThan(made)
  expect(promoted).toEqual([expect.stringContaining('{\\"primary\\":\\"pg-dc-b\\",\\"promotionToken\\":\\"$TOKEN\\"}')])
})

test('the witness is only written over the version that was read before', async () => {
  for (const [, intent] of moves) {
    const lines = commandsOf(exampleRunbook(await theStack(), intent)).split('\n')
    for (const [index, line] of lines.entries())
      if (line.includes('put-object') && /(lock|active)\.json/.test(line)) {
        expect(line).toContain('--if-match "$ETAG"')
        expect(
          lines
            .slice(0, index)
            .reverse()
            .find((before) => before.startsWith('ETAG=')),
        ).toContain(/(lock|active)\.json/.exec(line)?.[0])
      }
  }
})

test('every kubectl goes to the context that the stack file names, as one word', async () => {
  const stack = await theStack()
  const named = {
    ...stack,
    sites: stack.sites.map((site) => ({
      ...site,
      platforms: { kubernetes: { ...site.platforms.kubernetes, context: `the ${site.name}` } },
    })),
  }
  for (const [, intent] of moves) {
    const contexts = [...commandsOf(exampleRunbook(named, intent)).matchAll(/--context (\S+ \S+)/g)].map(
      ([, context]) => context,
    )
    expect(new Set(contexts)).toEqual(
      new Set(["'the dc-a'", "'the dc-b'"].filter((context) => contexts.includes(context))),
    )
    expect(contexts.length).toBeGreaterThan(3)
  }
})

test('a plan that Standby refuses says so before the first command', async () => {
  const stack = await theStack()
  const runbook = exampleRunbook(stack, { ...EXAMPLES['infisical-kubernetes-failover.md'], acceptLoss: 1 })
  expect(runbook.indexOf('`loss-above-bound`')).toBeGreaterThan(0)
  expect(runbook.indexOf('`loss-above-bound`')).toBeLessThan(runbook.indexOf('```sh'))
})

test('text of users ends in no line of its own', async () => {
  const stack = await theStack()
  const components = stack.components.map((component) =>
    component.driver === 'helm-release'
      ? { ...component, spec: { ...component.spec, identity: { database: 'database', query: 'SELECT 1\nrm -rf /' } } }
      : component,
  )
  const runbook = exampleRunbook({ ...stack, components }, EXAMPLES['infisical-kubernetes-switchover.md'])
  expect(runbook).toContain('SELECT 1 rm -rf /')
  expect(runbook).not.toMatch(/^rm -rf/m)
})
