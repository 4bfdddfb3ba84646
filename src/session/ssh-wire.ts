import { capture, MAX_SSH_WORDS_BYTES } from '../ssh/run-ssh.ts';
import type { SshChild } from '../ssh/spawn-ssh.ts';
import type { Wire } from './wire.ts';

/** How long an ssh whose input has ended may take to go by itself, and then after TERM. */
const END_OF_INPUT_MS = 100;
const TERMINATE_MS = 150;

/** An `ssh` process as the wire of a session. */
export function sshWire(child: SshChild): Wire {
  const words = capture(child.stderr, MAX_SSH_WORDS_BYTES, 'last');
  let onData: (chunk: Buffer) => void = () => {};
  child.stdout.on('data', (chunk: Buffer) => onData(chunk));
  child.stdout.on('error', () => {});
  let over = false;
  const ended = child.exited.then((exit) => {
    over = true;
    return { ...exit, stderr: words.text() };
  });
  let closing = false;
  return {
    write: (data) => {
      if (!over && !closing && child.stdin.writable) child.stdin.write(data);
    },
    pendingBytes: () => child.stdin.writableLength,
    drained: () =>
      new Promise((resolve) => {
        if (over || closing || !child.stdin.writableNeedDrain) return resolve();
        const done = (): void => {
          child.stdin.off('drain', done);
          child.stdin.off('close', done);
          resolve();
        };
        child.stdin.on('drain', done);
        child.stdin.on('close', done);
      }),
    listen: (listener) => {
      onData = listener;
    },
    ended,
    close: () => {
      if (over || closing) return;
      closing = true;
      child.stdin.end();
      const terminate = setTimeout(() => child.kill('SIGTERM'), END_OF_INPUT_MS);
      const kill = setTimeout(() => child.kill('SIGKILL'), END_OF_INPUT_MS + TERMINATE_MS);
      void ended.then(() => {
        clearTimeout(terminate);
        clearTimeout(kill);
      });
    },
  };
}
