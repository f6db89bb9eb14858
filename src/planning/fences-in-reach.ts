import type { Component, SiteName, Stack } from '../domain/stack.ts'
import { standsOn } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { viewUnder } from '../observation/site-view.ts'

/**
 * The components that a fence reaches on a lost site: those whose platform answers there. A database on hosts is fenced
 * although the cluster beside it is dead, and the other way round. One that stands outside of the platforms is fenced
 * where it answers itself. Pure.
 */
export const fencesInReach = (
  stack: Stack,
  observation: Observation,
  lost: SiteName,
  drivers: Readonly<Record<string, Driver>>,
): Component[] =>
  stack.components.filter((component) => {
    const driver = drivers[component.driver]
    if (driver === undefined) return false
    const seen =
      standsOn(driver, component) === null
        ? observation.components[component.name]?.[lost]
        : viewUnder(driver, component, lost, observation)
    return seen?.kind === 'answering'
  })
