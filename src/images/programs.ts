import { withoutComments } from '../session/open-session.ts';
import type { Session } from '../session/session.ts';
import { loadTransfer } from '../transfer/programs.ts';
import imagesProgram from './pod/images.sh';

/** Teaches a session that serves other calls about images. */
export function loadImages(session: Session): void {
  loadTransfer(session);
  session.load('images', withoutComments(imagesProgram));
}
