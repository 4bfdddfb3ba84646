import type { Mode } from '../pods/pod.ts';
import { megabytes } from './meter.ts';
import type { Summary } from './summary.ts';

export type TransferSummary = Summary & {
  direction: 'upload' | 'download';
  seconds: number;
  mode: Mode;
};

const SHOWN = 20;

/** What upload_file and download_file answer. */
export function transferAnswer(summary: TransferSummary): { text: string; facts: Record<string, unknown> } {
  const { direction, places, files, links, bytes, sameFiles, savedBytes, removed, skipped, seconds, mode } =
    summary;
  const rate = bytes / Math.max(seconds, 0.001) / 1e6;
  const verb = direction === 'upload' ? 'Uploaded' : 'Downloaded';
  const to = places.slice(0, SHOWN).join(', ');
  const nothing = files + links === 0 && sameFiles > 0;
  const lines = nothing
    ? [
        `Nothing had to travel: ${count(sameFiles, 'file')} already there and unchanged at ${to} (${seconds.toFixed(2)} s).`,
      ]
    : [
        `${verb} to ${to}`,
        `${count(files, 'file')}${links > 0 ? ` and ${count(links, 'link')}` : ''}, ${amount(bytes)} in ${seconds.toFixed(2)} s, ${rate.toFixed(1)} MB/s; verified by SHA-256 on both sides and renamed into place.`,
      ];
  if (sameFiles > 0 && files > 0)
    lines.push(`${count(sameFiles, 'file')} already there and unchanged: skipped.`);
  if (savedBytes > 0)
    lines.push(`${megabytes(savedBytes)} were there already from an earlier try and were used again.`);
  if (removed.length > 0) lines.push(`Removed: ${shown(removed)}`);
  if (skipped.length > 0) lines.push(`Not taken along: ${shown(skipped)}`);
  if (mode === 'proxy') {
    lines.push(
      'The gateway ssh.runpod.io carried it through a terminal; with "SSH over exposed TCP" from the Connect page (a direct connection) it would be faster.',
    );
  }
  return {
    text: lines.join('\n'),
    facts: {
      ...summary,
      removed: removed.length,
      skipped: skipped.length,
      duration_ms: Math.round(seconds * 1000),
      verified: 'sha256',
    },
  };
}

function amount(bytes: number): string {
  const exact = count(bytes, 'byte');
  const round = megabytes(bytes);
  return round === exact ? exact : `${exact} (${round})`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function shown(names: string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${names.slice(0, SHOWN).join(', ')}${more}`;
}
