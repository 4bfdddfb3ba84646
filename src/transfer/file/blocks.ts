/** A piece of a file that travels, is hashed and acknowledged by itself. */
export type Block = { from: number; count: number };

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

/** How a file is cut; `clean`: bytes travel as they are, not in base64. */
export type Cut = { channels: number; mode: 'direct' | 'proxy'; clean: boolean };

/** Cuts a file into blocks: large enough to cost little each, small enough to be shared out and done again. */
export function blocksOf(size: number, { channels, mode, clean }: Cut): Block[] {
  // base64 is held in memory until a block of it is whole.
  const most = (mode === 'direct' ? 16 : clean ? 8 : 2) * MIB;
  const fair = Math.ceil(size / (channels * 4) / MIB) * MIB;
  const count = Math.min(most, Math.max(MIB, fair));
  const blocks: Block[] = [];
  for (let from = 0; from < size; from += count) blocks.push({ from, count: Math.min(count, size - from) });
  return blocks;
}

/** What is left to do when `done` has been found to be there already; blocks may have been cut otherwise then. */
export function missing(size: number, done: readonly Block[], cut: Cut): Block[] {
  const sorted = [...done].sort((one, other) => one.from - other.from);
  const gaps: Block[] = [];
  let at = 0;
  for (const { from, count } of sorted) {
    if (from > at) gaps.push({ from: at, count: from - at });
    at = Math.max(at, from + count);
  }
  if (at < size) gaps.push({ from: at, count: size - at });
  return gaps.flatMap((gap) =>
    blocksOf(gap.count, cut).map(({ from, count }) => ({ from: gap.from + from, count })),
  );
}
