/**
 * Lets a run go on when the reader of its output is gone (`| head`, a dead `tee`, a closed terminal): a move that stops
 * half way because its log has no reader any more is worse than a log that ends early. What is written afterwards is
 * lost. Any other failure of a stream is thrown, as Node does by itself.
 */
export function outliveClosedPipes(streams: readonly NodeJS.WritableStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!READER_GONE.has(error.code ?? '')) throw error
    })
}

/** EIO: the terminal itself is gone. */
const READER_GONE: ReadonlySet<string> = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'])
