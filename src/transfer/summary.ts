/** What an upload or a download has done. */
export type Summary = {
  /** Where it is now. */
  places: string[];
  files: number;
  /** Symbolic links that were made or changed. */
  links: number;
  bytes: number;
  /** Files and bytes that were there already. */
  sameFiles: number;
  savedBytes: number;
  removed: string[];
  skipped: string[];
};

export function newSummary(): Summary {
  return { places: [], files: 0, links: 0, bytes: 0, sameFiles: 0, savedBytes: 0, removed: [], skipped: [] };
}
