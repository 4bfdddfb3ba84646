import * as z from 'zod';
import { download } from '../transfer/download.ts';
import { runTransfer } from '../transfer/run-transfer.ts';
import { tool } from './tool.ts';

export const downloadFile = tool({
  name: 'download_file',
  description:
    "Downloads a file, a folder (as a tree) or a glob's matches from the pod, in both modes, with the promises of upload_file. A folder becomes local_path itself; a local_path that ends in / (for a file also an existing folder) takes the source's name. Folders on the way are made.",
  schema: z.strictObject({
    remote_path: z.string().min(1),
    local_path: z.string().min(1),
    exclude: z.array(z.string()).default([]).describe('gitignore patterns'),
    checksum: z.boolean().default(false).describe('Compare by content, not size and time'),
    delete: z.boolean().default(false).describe('Remove here what the source lacks'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  handle: (args, context) =>
    runTransfer('download', args.remote_path, context, (transfer, { guard }) =>
      download(
        transfer,
        {
          remotePath: args.remote_path,
          localPath: args.local_path,
          exclude: args.exclude,
          checksum: args.checksum,
          remove: args.delete,
        },
        guard,
      ),
    ),
});
