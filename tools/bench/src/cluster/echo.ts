/** What a message to another thread of execution and back costs over loopback TCP: a floor of every answer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Latencies } from '../measure/latencies.ts';

/** Plain JavaScript: a worker is started from text, so that it runs from the sources as well. */
const server = `
const { parentPort } = require('node:worker_threads');
const server = require('node:net').createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => socket.write(chunk));
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

const bytes = 300;
const roundTrips = 500;

/** Round trips of the size of a SET. */
export async function measureRoundTrips(): Promise<Latencies> {
  const worker = new Worker(server, { eval: true });
  try {
    const [port] = (await once(worker, 'message')) as [number];
    const socket = connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    socket.setNoDelay(true);
    const message = Buffer.alloc(bytes, 1);
    const latencies = new Latencies();
    for (let n = 0; n < roundTrips; n++) {
      const start = performance.now();
      socket.write(message);
      for (let got = 0; got < bytes;) got += ((await once(socket, 'data')) as [Buffer])[0].length;
      latencies.record(performance.now() - start);
    }
    socket.destroy();
    return latencies;
  } finally {
    await worker.terminate();
  }
}
