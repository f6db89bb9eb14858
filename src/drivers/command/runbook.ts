import type { ByHand } from '../../driver/action.ts'
import { quoted } from '../../driver/manual.ts'
import { type Call, type CommandSpec, callsOf } from './spec.ts'

/** Exactly the calls that the stack file declares. */
export const byHand: ByHand<CommandSpec, { readonly site: string }> = {
  say(component, { parameters: { site } }) {
    const { off, isOff } = callsOf(component, site)
    return {
      commands: [line(off), `${line(isOff)}   # proves it`],
      expect: `The second answer says that ${site} is off.`,
      never: `Give ${site} power again before you are sure that its guard closes it.`,
    }
  },
}

/** A credential is printed as a variable of the shell. */
function line(call: Call): string {
  if ('run' in call) return call.run.map(quoted).join(' ')
  const body = call.body === undefined ? '' : ` -d ${quoted(JSON.stringify(call.body))}`
  return `curl -sS -X POST ${quoted(call.post)} -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json'${body}`
}
