import { version } from '../package.json';
import { instructions } from './tools/instructions.ts';

/** What the server says of itself to a client that introduces itself. */
export const introduction = {
  capabilities: { tools: {} },
  serverInfo: { name: 'runpod-ssh-mcp', version },
  instructions,
};
