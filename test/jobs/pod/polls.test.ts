import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Frame, FrameReader } from '../../../src/session/frame-reader.ts';
import {
  childrenOf,
  isRunning,
  type Link,
  NONCE,
  PodPlace,
  readProc,
  shells,
  until,
} from '../../session/pod-place.ts';
import { runOn, startRun } from './run-on.ts';

describe.each(shells)('%s', (shell) => {
  let place: PodPlace;
  let link: Link;
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
    link = await place.open();
  });
  afterAll(() => place.remove());

  test('polls at whatever moment neither end a call nor hold it up, and change nothing', async () => {
    const command =
      'i=0; while [ $i -lt 40 ]; do echo "line $i"; echo "error $i" >&2; i=$((i + 1)); sleep 0.005; done; exit 5';
    const expected = (word: string): string =>
      Array.from({ length: 40 }, (_, i) => `${word} ${i}\n`).join('');
    const calls = Array.from({ length: 6 }, () => startRun(link.session, command));
    const polls = setInterval(() => {
      for (const { call } of calls) if (Math.random() < 0.7) call.signal('USR1');
    }, 3);
    const ends = await Promise.all(calls.map(({ ran }) => ran)).finally(() => clearInterval(polls));
    for (const ran of ends) {
      expect(ran).toMatchObject({ state: 'exited', code: 5 });
      expect(ran.out.toString()).toBe(expected('line'));
      expect(ran.err.toString()).toBe(expected('error'));
    }
  });

  test('polls before a call has begun, and after it has ended, are lost without harm', async () => {
    for (let i = 0; i < 20; i++) {
      const { call, ran } = startRun(link.session, 'echo out; exit 3');
      for (let n = 0; n < 5; n++) call.signal('USR1');
      expect(await ran).toMatchObject({ state: 'exited', code: 3, out: Buffer.from('out\n') });
      call.signal('USR1');
      link.session.wire.write('s 1 USR1\ns 7 USR2\ns 99 USR1\n');
    }
  });

  test('a client that takes its time to read gets every byte, however often it asks', async () => {
    const line = `${'x'.repeat(99)}\n`;
    writeFileSync(join(place.home, 'lines'), line.repeat(200));
    const command = 'i=0; while [ $i -lt 15 ]; do cat lines; i=$((i + 1)); done; exit 2';
    const calls = Array.from({ length: 8 }, () => startRun(link.session, command));
    const { stdout } = link.child;
    const polls = setInterval(() => {
      for (const { call } of calls) call.signal('USR1');
    }, 4);
    let ended = false;
    const all = Promise.all(calls.map(({ ran }) => ran)).finally(() => {
      ended = true;
    });
    while (!ended) {
      stdout.pause();
      await new Promise((resolve) => setTimeout(resolve, 30));
      stdout.resume();
      await new Promise((resolve) => setImmediate(resolve));
    }
    clearInterval(polls);
    for (const { state, code, out } of await all) {
      expect({ state, code }).toEqual({ state: 'exited', code: 2 });
      expect(out.equals(Buffer.from(line.repeat(3000)))).toBe(true);
    }
  });

  // A pipe holds 65,536 bytes (pipe(7)). If the shell isn't at the frame yet when the signals come, they prove
  // nothing, but do no harm.
  test('a poll that comes while a frame waits for room does not cost a byte of it', async () => {
    const printed = await place.evaluate(`
      mkdir job; echo hello >job/out; : >job/err
      _rp_dir=$PWD/job _rp_out_sent=0 _rp_err_sent=0 _rp_head=100 _rp_tail=100
      : | {
        exec 9<>/proc/self/fd/0
        echo >&9
        {
          read -r me rest </proc/self/stat
          rp_heed
          head -c 65536 /dev/zero
          (
            i=0
            while [ $i -lt 15 ]; do kill -s USR1 $me; sleep 0.01; i=$((i + 1)); done
            echo >room
          ) >/dev/null &
          rp_report on running - disk
          rp_heed
          kill -s USR1 $me
          rp_report final exited 0 disk
        } | {
          until [ -e room ]; do sleep 0.01; done
          exec cat
        }
      } 2>/dev/null`);
    const frames: Frame[] = [];
    new FrameReader(NONCE, (frame) => frames.push(frame)).push(printed);
    expect(frames.map(({ type, words, payload }) => [type, words.join(' '), payload.toString()])).toEqual([
      ['o', '0', 'hello\n'],
      ['s', '6 0 running - disk', ''],
      ['.', '6 0 exited 0 disk', ''],
    ]);
  });

  test('hundreds of calls leave no process, no descriptor and no memory behind', async () => {
    const { session } = await place.open();
    const { pid, disk } = session.description;
    const callMany = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 10) {
        const ends = Array.from({ length: 10 }, () => runOn(session, 'echo hello; exit 1'));
        for (const { name, code } of await Promise.all(ends)) {
          expect(code).toBe(1);
          session.housekeep('rp_forget', [name]);
        }
      }
    };
    const size = () => ({
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      kilobytes: Number(/VmRSS:\s+(\d+)/.exec(readProc(pid, 'status'))?.[1]),
    });
    // Each request takes away what has ended by then.
    const rested = () =>
      until(async () => {
        await session.call({ program: 'rp_settle', words: [] }).done;
        return childrenOf(pid).filter((child) => !isRunning(child)).length < 3;
      });
    await callMany(60);
    await rested();
    const before = size();
    await callMany(shell === 'bash' ? 240 : 100);
    await rested();
    const after = size();
    // A shell has one more for a moment while it starts something.
    expect(after.descriptors).toBeLessThan(before.descriptors + 2);
    expect(after.kilobytes - before.kilobytes).toBeLessThan(500);
    session.close();
    await until(() => readdirSync(disk).every((name) => !name.includes(session.id)));
  });
});
