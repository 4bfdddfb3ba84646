import * as z from 'zod';
import type { ImageFacts } from '../images/image-facts.ts';
import { type View, viewImage } from '../images/view-image.ts';
import { megabytes } from '../transfer/meter.ts';
import { tool } from './tool.ts';

export const viewImageTool = tool({
  name: 'view_image',
  description:
    'Shows a png, jpeg, webp or gif from the pod (a loss curve, a sample) as an image. A large one is made smaller on the pod, by Pillow or ImageMagick where it has one of them; download_file fetches the original.',
  schema: z.strictObject({ remote_path: z.string().min(1) }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  async handle({ remote_path: remotePath }, context) {
    const connection = await context.pod();
    const view = await viewImage(connection, remotePath, context.signal);
    const { bytes, original, how, type, width, height } = view;
    const mimeType = `image/${type}`;
    return {
      text: describe(view),
      image: { data: bytes.toString('base64'), mimeType },
      facts: {
        path: original.path,
        mime_type: mimeType,
        width,
        height,
        bytes: bytes.length,
        made_smaller: how === 'smaller',
        original: {
          mime_type: `image/${original.type}`,
          width: original.width,
          height: original.height,
          bytes: original.size,
        },
        mode: connection.pod.mode,
      },
    };
  },
});

function describe(view: View): string {
  const { original, how, bytes } = view;
  const name = original.path;
  switch (how) {
    case 'as-it-is':
      return `${name}: ${shown(view, bytes.length)}.`;
    case 'smaller':
      return `${name}: ${shown(original, original.size)}; made smaller on the pod to be shown: ${shown(view, bytes.length)}. download_file fetches it as it is.`;
    case 'large':
      return `${name}: ${shown(view, bytes.length)}; shown as it is, since the pod could not make it smaller (that takes python with Pillow, or ImageMagick).`;
  }
}

function shown(facts: ImageFacts, bytes: number): string {
  const { type, width, height } = facts;
  const pixels = width === undefined || height === undefined ? '' : `${width} × ${height} pixels, `;
  return `${type}, ${pixels}${megabytes(bytes)}`;
}
