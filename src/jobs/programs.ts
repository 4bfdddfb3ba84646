import sessionProgram from '../session/pod/session.sh';
import type { OnBegin } from '../session/pod-connection.ts';
import { quotedForShell } from '../session/quoted-for-shell.ts';
import { forgetWhatWasLeft } from './forget.ts';
import jobProgram from './pod/job.sh';
import onTerminalProgram from './pod/on-terminal.sh';
import runProgram from './pod/run.sh';

/** What a session that runs commands and jobs is made of, in the order in which the pod's shell reads it. */
export const jobPrograms: string[] = [
  sessionProgram,
  runProgram,
  jobProgram,
  `_rp_program_on_terminal=${quotedForShell(onTerminalProgram)}\n`,
];

/** Makes a session ready for commands, and clears up after those that were lost. */
export const beginJobs: OnBegin = (session, predecessors) => {
  for (const { id } of predecessors) session.housekeep('rp_clear', [id]);
  session.housekeep('rp_prepare', [session.id]);
  session.housekeep('rp_sweep');
  for (const lost of predecessors) forgetWhatWasLeft(session, lost);
};
