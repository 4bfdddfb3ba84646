import * as z from 'zod';
import { allTools } from './all-tools.ts';

/** What `tools/list` answers. The build puts the list itself in this file's place. */
export const toolList = allTools.map(({ name, description, schema, annotations }) => {
  const { $schema: _, ...inputSchema } = z.toJSONSchema(schema, { io: 'input' });
  return { name, description, inputSchema: { ...inputSchema, type: 'object' as const }, annotations };
});
