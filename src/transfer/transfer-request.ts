import type { LocalGuard } from '../local/local-guard.ts';

export type UploadRequest = {
  localPath: string;
  remotePath: string;
  exclude: string[];
  respectGitignore: boolean;
  checksum: boolean;
  remove: boolean;
};

export type LocalWorld = { guard: LocalGuard; workingDir: string; homeDir: string };

export type DownloadRequest = {
  remotePath: string;
  localPath: string;
  exclude: string[];
  checksum: boolean;
  remove: boolean;
};
