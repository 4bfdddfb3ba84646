import { checkJob } from './check-job.ts';
import { connect } from './connect.ts';
import { downloadFile } from './download-file.ts';
import { listJobsTool } from './list-jobs.ts';
import { runCommand } from './run-command.ts';
import { startBackgroundJob } from './start-background-job.ts';
import { stopJobTool } from './stop-job.ts';
import type { Tool } from './tool.ts';
import { uploadFile } from './upload-file.ts';
import { viewImageTool } from './view-image.ts';

/** The tools, the most important first. */
export const allTools: Tool[] = [
  runCommand,
  connect,
  startBackgroundJob,
  checkJob,
  uploadFile,
  downloadFile,
  viewImageTool,
  stopJobTool,
  listJobsTool,
];
