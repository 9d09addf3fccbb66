/** Closes an engine in a worker and has nothing more to do: says whether the thread is still there at its end. */
import { openWorkerEngine } from '@balsa/storage-kit/worker';

const module = new URL('./worker-fixture.mjs', import.meta.url);
const env = { log: { enabled: () => false, log: () => undefined } };

async function threadOfOneLife() {
  const engine = await openWorkerEngine({ module, open: 'openEnding', options: {}, env });
  const [thread] = await engine.listGroups();
  await engine.close();
  return thread;
}

const thread = await threadOfOneLife();
process.once('beforeExit', () => {
  void threadOfOneLife().then((again) => {
    console.log(again === thread ? 'still there' : 'gone');
  });
});
