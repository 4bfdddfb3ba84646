import type { PodConnection } from '../session/pod-connection.ts';
import type { Session } from '../session/session.ts';
import type { Channel } from './open-channel.ts';

type Spare = { connection: PodConnection; channel: Channel; since: number; timer: NodeJS.Timeout };

const KEPT_MS = 60_000;
/** After a longer rest a channel is asked whether it still answers. */
const FRESH_MS = 5_000;

/** Channels that nobody uses just now. Opening one takes some round trips, through the gateway a login. */
export class SpareChannels {
  #spares: Spare[] = [];

  /** Keeps a channel for whoever comes next, if it is fit for that. */
  keep(connection: PodConnection, channel: Channel): void {
    const { session } = channel;
    if (session.isLost || !session.idle) {
      session.close();
      return;
    }
    const timer = setTimeout(() => {
      this.#forget(channel);
      session.close();
    }, KEPT_MS);
    timer.unref();
    this.#spares.push({ connection, channel, since: Date.now(), timer });
    void session.lost.then(() => this.#forget(channel));
  }

  /** One that answers, if there is one. `opened` hears of it at once, so that it can be closed meanwhile. */
  async take(connection: PodConnection, opened: (session: Session) => void): Promise<Channel | undefined> {
    for (let spare = this.#last(connection); spare; spare = this.#last(connection)) {
      const { channel, since } = spare;
      this.#forget(channel);
      opened(channel.session);
      if (Date.now() - since < FRESH_MS || (await answers(channel.session))) return channel;
      channel.session.close();
    }
    return undefined;
  }

  #last(connection: PodConnection): Spare | undefined {
    return this.#spares.findLast((spare) => spare.connection === connection);
  }

  #forget(channel: Channel): void {
    const spare = this.#spares.find((one) => one.channel === channel);
    if (!spare) return;
    clearTimeout(spare.timer);
    this.#spares = this.#spares.filter((one) => one !== spare);
  }
}

/** Whether the shell at the other end still serves calls; a session that has been quiet for long gives up soon. */
async function answers(session: Session): Promise<boolean> {
  try {
    await session.call({ program: 'true', words: [] }).done;
    return true;
  } catch {
    return false;
  }
}
