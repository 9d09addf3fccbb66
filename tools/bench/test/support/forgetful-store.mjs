/** A store that acknowledges without a sync: storage-file on a file system whose syncs do nothing. */
import { nodeFileSystem } from '@balsa/storage-kit';
import { openFileEngine } from '@balsa/storage-file';

const fs = {
  ...nodeFileSystem,
  open: async (path, mode) => {
    const handle = await nodeFileSystem.open(path, mode);
    return new Proxy(handle, {
      get: (target, name) => {
        if (name === 'sync' || name === 'dataSync') return async () => undefined;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  },
};

export const openEngine = ({ directory, env }) => openFileEngine({ directory, env, fs });
