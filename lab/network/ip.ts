import { execute } from '../execute.ts'

/** The program that makes and changes links and namespaces. */
export const ip = (...args: string[]): Promise<string> => execute('ip', args, { deadline: 10_000 })
