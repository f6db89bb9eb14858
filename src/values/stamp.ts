/** An instant of ISO 8601 as a part of a name: to the second, without what names may not hold. Sorts by time. */
export const stampOf = (at: string): string => at.replaceAll(/[-:]|\.\d+/g, '')

/** The same for names that hold no capital letter either, such as those of Kubernetes objects: digits alone. */
export const digitsOf = (at: string): string => stampOf(at).replaceAll(/[TZ]/g, '')
