/** The value of an option, which is one of those that are known; undefined where nothing was asked for. Pure. */
export function oneOf<Name extends string>(
  option: string,
  asked: string | undefined,
  known: readonly Name[],
): Name | undefined {
  const found = known.find((name) => name === asked)
  if (asked !== undefined && found === undefined)
    throw new Error(`--${option} ${asked} is not known: name one of ${known.join(', ')}`)
  return found
}
