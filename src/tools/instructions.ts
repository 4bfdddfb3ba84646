/** What the client tells the model of this server as a whole; cut at 2,000 characters by some. */
export const instructions = `Works on a RunPod GPU pod through the user's own OpenSSH, directly or through ssh.runpod.io, with the same results.
- connect: once per pod, with the ssh string from RunPod's Connect page; it is remembered. If another tool fails because the pod moved or stopped, ask the user for the new string.
- run_command: anything that ends within some minutes. A command that takes longer than timeout goes on as a job; the answer names it.
- start_background_job: training, downloads, servers. Then check_job(name, wait=…, until=…) instead of polling or sleep; list_jobs; stop_job.
- upload_file, download_file: files and folders, verified; also through the proxy. view_image: look at a plot or a sample.
Nothing is lost when a connection drops: commands and jobs go on and are found again by name. Commands never run twice.
Pods lose everything outside /workspace when they are stopped: keep code, data and checkpoints in /workspace.
Only the head and tail of long output are shown; the answer says where on the pod the whole is.`;
