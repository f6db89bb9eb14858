/** The end of what a program said, its last three lines on one. Pure. */
export const lastWords = (said: string): string => said.trim().split('\n').slice(-3).join(' | ') || 'nothing was said'
