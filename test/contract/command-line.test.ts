import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { EXIT } from '../../src/cli/operate.ts'
import { runCli } from '../support/run-cli.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'command-line.md'), 'utf8')

/** Names of commands and long options that a help text lists. */
async function listed(
  command: readonly string[],
): Promise<{ readonly commands: string[]; readonly options: string[] }> {
  const { stdout } = await runCli([...command, '--help'])
  const part = (title: string): string => new RegExp(`^${title}:\\n((?: .*\\n|\\n(?= ))*)`, 'm').exec(stdout)?.[1] ?? ''
  return {
    commands: [...part('Commands').matchAll(/^ {2}([a-z-]+)/gm)].flatMap(([, name = '']) =>
      name === 'help' ? [] : [name],
    ),
    options: [...part('Options').matchAll(/--([a-z-]+)/g)].flatMap(([, name = '']) =>
      ['help', 'version'].includes(name) ? [] : [name],
    ),
  }
}

test('the page of the command line has every command, every option and every exit code', async () => {
  const top = await listed([])
  expect(top.commands.length).toBeGreaterThan(5)
  const missing: string[] = []
  const check = (what: string): void => {
    if (!page.includes(what)) missing.push(what)
  }
  for (const option of top.options) check(`--${option}`)
  const commandsIn = async (name: string) => {
    const own = await listed([name])
    return own.commands.length === 0
      ? [{ leaf: [name], options: own.options }]
      : Promise.all(own.commands.map(async (child) => ({ leaf: [name, child], ...(await listed([name, child])) })))
  }
  for (const name of top.commands)
    for (const { leaf, options } of await commandsIn(name)) {
      check(`\`${leaf.join(' ')}`)
      for (const option of options) check(`--${option}`)
    }
  for (const code of Object.values(EXIT)) check(`| ${code} |`)
  expect(missing).toEqual([])
}, 120_000)
