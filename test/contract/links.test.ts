import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '..', '..')
const markdownIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).flatMap((name) =>
    name.endsWith('.md') ? [join(folder, name)] : [],
  )
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...['docs', 'actions', 'stacks', 'workflows'].flatMap(markdownIn),
]

/** Links of the text; what stands in code is none. */
function linksIn(markdown: string): string[] {
  const text = markdown.replaceAll(/^(`{3,})[\s\S]*?^\1/gm, '').replaceAll(/`[^`\n]*`/g, '')
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)].flatMap((match) => match[1] ?? [])
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsIn(markdown: string): string[] {
  const text = markdown.replaceAll(/^(`{3,})[\s\S]*?^\1/gm, '')
  return [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test('no page has a link without a target', () => {
  const read = (path: string): string => readFileSync(path, 'utf8')
  const dead = pages.flatMap((page) =>
    linksIn(read(join(root, page)))
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [file = '', anchor] = link.split('#')
        const target = file === '' ? join(root, page) : join(root, dirname(page), file)
        if (!existsSync(target) || relative(root, target).startsWith('..')) return true
        return anchor !== undefined && target.endsWith('.md') && !anchorsIn(read(target)).includes(anchor)
      })
      .map((link) => `${page}: ${link}`),
  )
  expect(dead).toEqual([])
  expect(pages.length).toBeGreaterThan(20)
})
