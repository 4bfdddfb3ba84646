/** A piece of a file that travels, is hashed and acknowledged by itself. */
export type Block = { from: number; count: number };

/** What is to travel. Some do so `again`, since they did not arrive as they were. */
export type BlockQueue = {
  blocks: (Block & { again?: true })[];
  /** `packs`: as far as is known it is worth it. */
  cut: Cut;
};

/** The rest travels as it is. */
export function packNoMore(queue: BlockQueue): void {
  if (!queue.cut.packs) return;
  queue.cut.packs = false;
  const firstTime = queue.blocks.filter(({ again }) => !again);
  queue.blocks = [...queue.blocks.filter(({ again }) => again), ...recut(firstTime, queue.cut)];
}

const MIB = 1024 * 1024;
/** Below this round trip one stream fills the line: ssh's window of 2 MiB a channel is no limit yet. */
const NEAR_MS = 25;
/** sshd allows 10 sessions a connection: one serves commands, and one more is left for whoever comes. */
const MOST_CHANNELS = 8;
const MOST_GATEWAY_CHANNELS = 3;
const MIB_PER_CHANNEL = 4;

/** How many channels to use for so many bytes. */
export function channelsFor(
  bytes: number,
  { roundTripMs, mode }: { roundTripMs: number; mode: 'direct' | 'proxy' },
): number {
  const useful = Math.max(1, Math.ceil(bytes / (MIB_PER_CHANNEL * MIB)));
  if (mode === 'proxy') return Math.min(useful, MOST_GATEWAY_CHANNELS);
  return roundTripMs < NEAR_MS ? 1 : Math.min(useful, MOST_CHANNELS);
}

/** How a file is cut. `clean`: bytes travel as they are, not in base64; `packs`: they may travel packed. */
export type Cut = { channels: number; mode: 'direct' | 'proxy'; clean: boolean; packs: boolean };

/** Cuts a file into blocks: large enough to cost little each, small enough to be shared out and done again. */
export function blocksOf(size: number, { channels, mode, clean, packs }: Cut): Block[] {
  // What is packed or in base64 is held in memory until a block of it is whole.
  const most = (mode === 'direct' ? 16 : clean && !packs ? 8 : 2) * MIB;
  const fair = Math.ceil(size / (channels * 4) / MIB) * MIB;
  const count = Math.min(most, Math.max(MIB, fair));
  const blocks: Block[] = [];
  for (let from = 0; from < size; from += count) blocks.push({ from, count: Math.min(count, size - from) });
  return blocks;
}

/** What is left to do when `done` has been found to be there already; blocks may have been cut otherwise then. */
export function missing(size: number, done: readonly Block[], cut: Cut): Block[] {
  return gapsIn(size, done).flatMap((gap) => blocksIn(gap, cut));
}

/** What `done` leaves of a file, in one piece each. */
export function gapsIn(size: number, done: readonly Block[]): Block[] {
  const gaps: Block[] = [];
  let at = 0;
  for (const { from, count } of inOrder(done)) {
    if (from > at) gaps.push({ from: at, count: from - at });
    at = Math.max(at, from + count);
  }
  if (at < size) gaps.push({ from: at, count: size - at });
  return gaps;
}

export function bytesIn(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { count }) => sum + count, 0);
}

/** The same bytes, cut otherwise. */
export function recut(blocks: readonly Block[], cut: Cut): Block[] {
  const runs: Block[] = [];
  for (const { from, count } of inOrder(blocks)) {
    const last = runs.at(-1);
    if (last && last.from + last.count === from) last.count += count;
    else runs.push({ from, count });
  }
  return runs.flatMap((run) => blocksIn(run, cut));
}

function inOrder(blocks: readonly Block[]): Block[] {
  return [...blocks].sort((one, other) => one.from - other.from);
}

function blocksIn({ from, count }: Block, cut: Cut): Block[] {
  return blocksOf(count, cut).map((block) => ({ from: from + block.from, count: block.count }));
}
