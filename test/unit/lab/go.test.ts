import { expect, test } from '@jest/globals'
import { goIsNewEnough } from '../../../lab/binaries/go.ts'

test('a Go that is too old for the programs of the lab is not used; one that calls itself otherwise neither', () => {
  expect(['go1.26.0', 'go1.27.3', 'go2.0'].filter(goIsNewEnough)).toEqual(['go1.26.0', 'go1.27.3', 'go2.0'])
  expect(['go1.25.9', 'go1.9', 'devel +abc', ''].filter(goIsNewEnough)).toEqual([])
})
