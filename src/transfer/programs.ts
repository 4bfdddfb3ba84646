import { withoutComments } from '../session/open-session.ts';
import sessionProgram from '../session/pod/session.sh';
import { quotedForShell } from '../session/quoted-for-shell.ts';
import type { Session } from '../session/session.ts';
import blocksProgram from './pod/blocks.sh';
import describeNamesProgram from './pod/describe-names.sh';
import placesProgram from './pod/places.sh';
import settleTreeProgram from './pod/settle-tree.sh';
import treesProgram from './pod/trees.sh';

const program = [
  placesProgram,
  blocksProgram,
  treesProgram,
  `_rp_program_describe_names=${quotedForShell(describeNamesProgram)}\n`,
  `_rp_program_settle_tree=${quotedForShell(settleTreeProgram)}\n`,
].join('');

/** What a session that carries files is made of. */
export const transferPrograms: string[] = [sessionProgram, program];

/** Teaches a session that serves other calls about files. */
export function loadTransfer(session: Session): void {
  session.load('transfer', withoutComments(program));
}
