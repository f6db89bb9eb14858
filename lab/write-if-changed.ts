import { readFile, writeFile } from 'node:fs/promises'

/** Leaves an equal file untouched: kube-proxy ends itself when its configuration is written, whatever the content. */
export async function writeIfChanged(path: string, content: string): Promise<void> {
  const present = await readFile(path, 'utf8').catch(() => undefined)
  if (present !== content) await writeFile(path, content)
}
