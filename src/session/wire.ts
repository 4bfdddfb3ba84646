/** How a wire ended, with what there is to explain it by. */
export type WireEnd = { exitCode?: number; signal?: string; stderr: string };

/** A two-way byte stream to a shell on the pod: one `ssh` process. */
export type Wire = {
  write(text: string | Uint8Array): void;
  /** How many written bytes still wait on this side; `drained` tells when there are few again. */
  pendingBytes(): number;
  drained(): Promise<void>;
  /** Who gets the bytes from now on. */
  listen(onData: (chunk: Buffer) => void): void;
  ended: Promise<WireEnd>;
  /** Ends the `ssh` process: first by the end of its input, then by signals. */
  close(): void;
};
