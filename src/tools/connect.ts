import * as z from 'zod';
import { Failure } from '../failure.ts';
import { type PodSurvey, surveyPod } from '../jobs/pod-survey.ts';
import { parsePasted } from '../pods/pasted.ts';
import { modeOfHost, type Pod } from '../pods/pod.ts';
import { isPodName, nameFor } from '../pods/pod-name.ts';
import { findPod } from '../pods/saved.ts';
import { existingIdentityFile } from '../ssh/identity-file.ts';
import { byHand } from '../ssh/ssh-argv.ts';
import { type Context, tool } from './tool.ts';

export const connect = tool({
  name: 'connect',
  description:
    "Connects to a RunPod pod and makes it the current one for all other tools. Pass the string from RunPod's Connect page as it is, e.g. 'ssh root@1.2.3.4 -p 17445 -i ~/.ssh/id_ed25519' (direct) or 'ssh abc123-6441103b@ssh.runpod.io -i ~/.ssh/id_ed25519' (proxy), or the name of a pod saved before. It is saved only if the pod answers; the choice outlives this session.",
  schema: z.strictObject({
    ssh_string: z.string().min(1).describe('The pasted ssh command, or a saved name'),
    name: z.string().optional().describe('Name to save the pod under'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  async handle({ ssh_string: pasted, name }, context) {
    const { candidate, remarks } = await readCandidate(pasted, name, context);
    const pod = await context.connections.tryOut(candidate);
    const { pods } = await context.saved();
    const connection = context.connections.to(pod, pods);
    const survey = await surveyPod(connection, context.signal);
    const { keptBroken } = await context.save(pod);
    await context.connections.keepConfig(pod, pods);
    if (keptBroken) remarks.push(`The old config file could not be read; it is kept as ${keptBroken}.`);
    return { text: describe(pod, survey, remarks, context), facts: { ...pod, ...survey } };
  },
});

async function readCandidate(
  pasted: string,
  name: string | undefined,
  context: Context,
): Promise<{ candidate: Pod; remarks: string[] }> {
  if (name !== undefined && !isPodName(name)) {
    throw new Failure({
      kind: 'bad-input',
      happened: `${JSON.stringify(name)} can't be a pod's name.`,
      next: 'take 1 to 64 letters, digits, dots, underscores and hyphens, beginning with a letter or a digit.',
    });
  }
  const word = pasted.trim();
  if (isPodName(word)) {
    const saved = await context.saved();
    const pod = findPod(word, saved);
    if (pod) return { candidate: name === undefined ? pod : { ...pod, name }, remarks: [] };
    if (!word.includes('.')) {
      const names = saved.pods.map((known) => known.name);
      throw new Failure({
        kind: 'bad-input',
        happened: `There is no saved pod named ${word}.`,
        meaning: names.length > 0 ? `Saved are: ${names.join(', ')}.` : 'No pod is saved yet.',
        next: "paste the whole ssh string from RunPod's Connect page.",
      });
    }
  }
  const { address, remarks, suggestedName } = parsePasted(pasted, context.homeDir);
  const { keyPath } = address;
  const notes = [...remarks];
  const there = existingIdentityFile(keyPath, context.homeDir) !== undefined;
  if (keyPath === undefined) {
    notes.push('No key was named (-i): your ssh agent and default keys were tried.');
  } else if (!there) {
    notes.push(`The key file ${keyPath} isn't there: your ssh agent and default keys were tried instead.`);
  }
  const mode = modeOfHost(address.host);
  return { candidate: { ...address, name: name ?? nameFor(address, suggestedName), mode }, remarks: notes };
}

function describe(pod: Pod, survey: PodSurvey, remarks: string[], { homeDir }: Context): string {
  const { hostname, user, gpus, missing } = survey;
  const way =
    pod.mode === 'direct'
      ? "direct (the pod's own sshd)"
      : 'proxy (RunPod\'s gateway: a terminal only; a direct connection, "SSH over exposed TCP" on the Connect page, is faster for files)';
  const lines = [
    `Connected to ${pod.user}@${pod.host}:${pod.port} as pod ${pod.name}.`,
    `mode: ${way}`,
    `host: ${hostname}, user ${user}`,
    `GPUs: ${gpus.length > 0 ? gpus.join(', ') : 'none seen (no nvidia-smi)'}`,
    'tools: run_command, start_background_job, check_job, list_jobs, stop_job, upload_file, download_file, view_image',
    ...(missing.length > 0 ? [`not on the pod: ${missing.join(', ')}`] : []),
    ...remarks,
    `saved in: ${homeDir}/.config/runpod-ssh.json`,
    `by hand: ${byHand(pod)}`,
  ];
  return lines.join('\n');
}
