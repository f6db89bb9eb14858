import { WIDTH, type WorldState } from './world-state.ts'

const CHUNK = 1 << 15

/** Every world that was reached, kept whole: two worlds are one only when every number of them is the same. */
export class StateStore {
  size = 0
  private readonly chunks: Uint16Array<ArrayBufferLike>[] = []
  private slots = new Int32Array(1 << 16).fill(-1)
  private parents = new Int32Array(1 << 16)
  /** The fair edges of world n are those from offsets[n] to offsets[n + 1]. */
  private offsets = new Int32Array(1 << 16)
  private edges = new Int32Array(1 << 18)
  private edgeCount = 0
  private expanded = 0

  add(world: WorldState, parent: number): { readonly index: number; readonly isNew: boolean } {
    if (this.size * 2 > this.slots.length) this.widen()
    const slot = this.slotOf(world)
    const found = this.slots[slot] ?? -1
    if (found >= 0) return { index: found, isNew: false }
    const index = this.size++
    if (index % CHUNK === 0) this.chunks.push(new Uint16Array(CHUNK * WIDTH))
    this.chunkOf(index).set(world, (index % CHUNK) * WIDTH)
    this.slots[slot] = index
    this.parents = grown(this.parents, index)
    this.parents[index] = parent
    return { index, isNew: true }
  }

  at(index: number): WorldState {
    const from = (index % CHUNK) * WIDTH
    return this.chunkOf(index).subarray(from, from + WIDTH)
  }
  parentOf = (index: number): number => this.parents[index] ?? -1
  indexOf = (world: WorldState): number => this.slots[this.slotOf(world)] ?? -1

  /** The edges that follow are those of this world. */
  expand(index: number): void {
    this.expanded = index + 1
    this.offsets = grown(this.offsets, index + 1)
    this.offsets[index] = this.edgeCount
    this.offsets[index + 1] = this.edgeCount
  }
  fairEdge(to: number): void {
    this.edges = grown(this.edges, this.edgeCount)
    this.edges[this.edgeCount++] = to
    this.offsets[this.expanded] = this.edgeCount
  }

  /** The first world from which no row of fair moves leads to a goal; null when there is none. */
  cannotReach(goal: (world: WorldState) => boolean): number | null {
    const reaches = new Uint8Array(this.size)
    for (let index = 0; index < this.size; index++) if (goal(this.at(index))) reaches[index] = 1
    // Edges lead mostly to worlds that were found later: from the last to the first, few rounds are enough.
    for (let changed = true; changed; ) {
      changed = false
      for (let index = this.expanded - 1; index >= 0; index--) {
        if (reaches[index] === 1) continue
        for (let edge = this.offsets[index] ?? 0; edge < (this.offsets[index + 1] ?? 0); edge++) {
          if (reaches[this.edges[edge] ?? -1] !== 1) continue
          reaches[index] = 1
          changed = true
          break
        }
      }
    }
    const stuck = reaches.indexOf(0)
    return stuck < 0 ? null : stuck
  }

  private chunkOf(index: number): Uint16Array<ArrayBufferLike> {
    const chunk = this.chunks[Math.floor(index / CHUNK)]
    if (chunk === undefined) throw new Error(`no world ${index}`)
    return chunk
  }

  /** Where a world is, or would be put. */
  private slotOf(world: WorldState): number {
    const mask = this.slots.length - 1
    for (let slot = hashOf(world) & mask; ; slot = (slot + 1) & mask) {
      const index = this.slots[slot] ?? -1
      if (index < 0 || this.holds(index, world)) return slot
    }
  }
  private holds(index: number, world: WorldState): boolean {
    const chunk = this.chunkOf(index)
    const from = (index % CHUNK) * WIDTH
    for (let at = 0; at < WIDTH; at++) if (chunk[from + at] !== world[at]) return false
    return true
  }
  private widen(): void {
    this.slots = new Int32Array(this.slots.length * 4).fill(-1)
    for (let index = 0; index < this.size; index++) this.slots[this.slotOf(this.at(index))] = index
  }
}

function grown(array: Int32Array<ArrayBuffer>, index: number): Int32Array<ArrayBuffer> {
  if (index < array.length) return array
  const wider = new Int32Array(array.length * 2)
  wider.set(array)
  return wider
}

function hashOf(world: WorldState): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < WIDTH; at++) hash = Math.imul(hash ^ (world[at] ?? 0), 0x01000193) ^ (hash >>> 15)
  return (hash ^ (hash >>> 13)) >>> 0
}
