import { realpath } from 'node:fs/promises';
import { type LocalRules, splitLocalDirs } from './local-paths.ts';
import { protectedPlacesIn } from './protected-places.ts';
import { resolveLocal } from './resolve-local.ts';

/**
 * The rules for this machine at this moment, all folders resolved. `roots` are the client's roots as paths (not
 * URLs), undefined when it has told none; then the working directory counts, unless it is `/`, in which desktop
 * clients start their servers: that says nothing about what the user wants to open. Folders that can't be
 * resolved open nothing.
 */
export async function loadLocalRules({
  roots,
  cwd,
  homeDir,
  localDirs,
}: {
  roots: readonly string[] | undefined;
  cwd: string;
  homeDir: string;
  /** The value of RUNPOD_LOCAL_DIRS. */
  localDirs: string | undefined;
}): Promise<LocalRules> {
  const real = async (folders: readonly string[]): Promise<string[]> => {
    const resolved = await Promise.all(
      folders.map((folder) => resolveLocal(folder, cwd, homeDir).catch(() => undefined)),
    );
    return resolved.flatMap((folder) => (folder ? [folder.realPath] : []));
  };
  const realHome = await realpath(homeDir).catch(() => homeDir);
  const fallback = cwd === '/' ? [] : [cwd];
  const inHome = protectedPlacesIn(realHome);
  const places = await real([...inHome, ...protectedPlacesIn(homeDir)]);
  return {
    roots: await real(roots ?? fallback),
    extraDirs: await real(splitLocalDirs(localDirs)),
    homeDir: realHome,
    alsoProtected: [...new Set(places.filter((place) => !inHome.includes(place)))],
  };
}
