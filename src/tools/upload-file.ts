import * as z from 'zod';
import { runTransfer } from '../transfer/run-transfer.ts';
import { upload } from '../transfer/upload.ts';
import { tool } from './tool.ts';

export const uploadFile = tool({
  name: 'upload_file',
  description:
    "Uploads a file, a folder (as a tree) or a glob's matches to the pod, in both modes: verified by SHA-256, put in place whole or not at all, only what has changed, resumed after a cut. A folder becomes remote_path itself; a remote_path that ends in / (for a file also an existing folder) takes the source's name. ~ and relative paths work on both sides.",
  schema: z.strictObject({
    local_path: z.string().min(1),
    remote_path: z.string().min(1),
    exclude: z.array(z.string()).default([]).describe('gitignore patterns'),
    respect_gitignore: z.boolean().default(false).describe('Send a folder as git sees it'),
    checksum: z.boolean().default(false).describe('Compare by content, not size and time'),
    delete: z.boolean().default(false).describe('Remove there what the source lacks'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  handle: (args, context) =>
    runTransfer('upload', args.local_path, context, (transfer, local) =>
      upload(
        transfer,
        {
          localPath: args.local_path,
          remotePath: args.remote_path,
          exclude: args.exclude,
          respectGitignore: args.respect_gitignore,
          checksum: args.checksum,
          remove: args.delete,
        },
        local,
      ),
    ),
});
