import { expect, test } from 'vitest';
import { createTcpTransport, type TcpTransportOptions } from '../src/index.ts';
import { nodeEnv } from './node-env.ts';

const env = nodeEnv();

test.each([
  ['INVALID_CONFIG', 'env', undefined],
  ['INVALID_CONFIG', 'env', null],
  ['INVALID_CONFIG', 'env', { listen: { port: 0 } }],
  ['INVALID_CONFIG', 'listen', { env }],
  ['INVALID_CONFIG', 'listen', { env, listen: {} }],
  ['INVALID_CONFIG', 'listen.host', { env, listen: { port: 0, host: 5 } }],
  ['OUT_OF_RANGE', 'listen.port', { env, listen: { port: '1' } }],
  ['OUT_OF_RANGE', 'listen.port', { env, listen: { port: 65_536 } }],
  ['INVALID_CONFIG', 'maxFrame', { env, listen: { port: 0 }, limits: { maxFrame: 1 } }],
])('options are refused with %s, naming %s, before anything listens', (code, field, options) => {
  expect(() => createTcpTransport(options as unknown as TcpTransportOptions)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(field) as string }) as Error,
  );
});
