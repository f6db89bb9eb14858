import type { Component, Stack } from '../../domain/stack.ts'

/**
 * The port of a component's server on the loopback of a sandbox: components of one driver are restored side by side,
 * and get `first` and the ports after it. Pure.
 */
export function sandboxPort(
  { components }: Pick<Stack, 'components'>,
  { name, driver }: Pick<Component, 'name' | 'driver'>,
  first: number,
): number {
  const alike = components.filter((one) => one.driver === driver)
  return (
    first +
    Math.max(
      0,
      alike.findIndex((one) => one.name === name),
    )
  )
}
