import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runOn, startRun } from '../../jobs/pod/run-on.ts';
import { childrenOf, isRunning, PodPlace, shells, until, ways } from '../pod-place.ts';

describe.each(shells)('%s', (shell) => {
  let place: PodPlace;
  beforeAll(async () => {
    place = await PodPlace.make({ shell });
  });
  afterAll(() => place.remove());

  describe.each(ways)('a session over %s', (way) => {
    test('says where it is', async () => {
      const { session } = await place.open({ way });
      const { description } = session;
      expect(session.clean).toBe(true);
      expect(isRunning(description.pid)).toBe(true);
      expect(description).toMatchObject({ home: place.home, disk: `${place.home}/.runpod-ssh/jobs` });
      expect(description.container).toMatch(/^[0-9a-f-]{36}\/\d+$/);
      expect(description.has.has('bash')).toBe(shell === 'bash');
      expect(description.has.has('tmux')).toBe(false);
      session.close();
    });

    test('that is buried ends with its calls, and what it had started goes on', async () => {
      const [one, other] = await Promise.all([place.open({ way }), place.open({ way })]);
      const { pid, started } = one.session.description;
      let seen = false;
      const { name, call, ran } = startRun(one.session, 'echo begun; exec sleep 300', {
        onFrame: () => {
          seen = true;
        },
      });
      const lost = ran.then(
        () => 'answered',
        () => 'lost',
      );
      await until(() => {
        if (!seen) call.signal('USR1');
        return seen;
      });
      const calls = childrenOf(pid);

      other.session.housekeep('rp_bury', [pid, Number(started) + 1]);
      other.session.housekeep('rp_bury', [4_194_305, started]);
      expect((await runOn(other.session, 'true')).code).toBe(0);
      expect((await runOn(one.session, 'true')).code).toBe(0);

      other.session.housekeep('rp_bury', [pid, started]);
      await until(() => [pid, ...calls].every((each) => !isRunning(each)));
      // What holds the terminal notices with the next byte.
      one.session.wire.write('p 0\n');
      await one.ended;
      expect(await lost).toBe('lost');
      const again = startRun(other.session, '', { name, how: 'follow' });
      const letGo = setInterval(() => again.call.signal('USR2'), 30);
      expect(await again.ran.finally(() => clearInterval(letGo))).toMatchObject({
        state: 'running',
        out: Buffer.from('begun\n'),
      });
      other.session.housekeep('rp_bury', [pid, started]);
      expect((await runOn(other.session, 'true')).code).toBe(0);
      other.session.close();
    });
  });

  test('a process is told by its start time too', async () => {
    const printed = await place.evaluate(`
      sleep 300 &
      rp_process $!
      started=$_rp_started
      rp_bury $! $((started + 1))
      kill -0 $! && echo spared
      rp_bury $! "$started"
      wait $!
      echo "ended $?"
      rp_bury $! "$started"
      rp_bury 4194305 1
      echo back`);
    expect(printed.toString()).toBe('spared\nended 137\nback\n');
  });

  // busybox goes by the name that it is called under.
  test.skipIf(shell === 'busybox')('a process with any name at all is found', async () => {
    const printed = await place.evaluate(`
      cp "$(command -v sleep)" './) R 1 (x'
      './) R 1 (x' 300 &
      until [ "$line" = ') R 1 (x' ] && rp_process $!; do read -r line <"/proc/$!/comm"; done
      echo "$_rp_parent $$ $_rp_state"
      kill $!`);
    const [parent, self, state] = printed.toString().trim().split(' ');
    expect(parent).toBe(self);
    expect(['R', 'S', 'D']).toContain(state);
  });

  test('a call that says nothing ends all the same, and one that is unknown', async () => {
    const { session } = await place.open();
    expect(await session.call({ program: 'rp_settle', words: [] }).done).toEqual([]);
    expect(await session.call({ program: 'rp_no_such_thing', words: [] }).done).toEqual([]);
    session.close();
  });
});
