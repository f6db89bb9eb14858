import type { MemberView } from './rest-api.ts'

/** Members that are being asked, by name. */
export type AskedMembers = Readonly<Record<string, Promise<MemberView>>>

/** The name of the first member that fits, as soon as it has answered; null where none does. */
export async function firstMember(asked: AskedMembers, fits: (member: MemberView) => boolean): Promise<string | null> {
  const fitting = Object.entries(asked).map(async ([name, view]) => {
    if (fits(await view)) return name
    throw new Error(`${name} does not fit`)
  })
  return Promise.any(fitting).catch(() => null)
}
