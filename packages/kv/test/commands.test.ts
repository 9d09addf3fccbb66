import { describe, expect, test } from 'vitest';
import { RawClient, startTestServer } from './support/server.ts';

/** Inline commands and the RESP2 replies that a real Redis 7 gives to them, one after another on a fresh server. */
const conversations: Record<string, readonly (readonly [string, string])[]> = {
  'PING and ECHO': [
    ['PING', '+PONG'],
    ['ping hi', '$2¦hi'],
    ['PING a b', "-ERR wrong number of arguments for 'ping' command"],
    ['ECHO x', '$1¦x'],
    ['ECHO', "-ERR wrong number of arguments for 'echo' command"],
  ],
  'GET and SET': [
    ['GET a', '$-1'],
    ['SET a 1', '+OK'],
    ['GET a', '$1¦1'],
    ['SET "" v', '+OK'],
    ['GET ""', '$1¦v'],
    ['SET a', "-ERR wrong number of arguments for 'set' command"],
    ['SET a b foo', '-ERR syntax error'],
  ],
  'SET NX, XX, GET': [
    ['SET a 1 XX', '$-1'],
    ['SET a 1 NX', '+OK'],
    ['SET a 2 NX', '$-1'],
    ['SET a 2 XX', '+OK'],
    ['SET a 3 GET', '$1¦2'],
    ['SET a 4 NX GET', '$1¦3'],
    ['GET a', '$1¦3'],
    ['SET b 1 XX GET', '$-1'],
    ['EXISTS b', ':0'],
    ['SET b 1 NX GET', '$-1'],
    ['GET b', '$1¦1'],
    ['SET a b NX XX', '-ERR syntax error'],
  ],
  'SET IFEQ': [
    ['SET a 2 IFEQ 1', '$-1'],
    ['EXISTS a', ':0'],
    ['SET a 1', '+OK'],
    ['SET a 2 IFEQ 1', '+OK'],
    ['SET a 3 IFEQ 1', '$-1'],
    ['SET a 3 ifeq 1 get', '$1¦2'],
    ['SET a 3 GET IFEQ 2', '$1¦2'],
    ['GET a', '$1¦3'],
    ['SET a 3 IFEQ', '-ERR syntax error'],
    ['SET a 3 NX IFEQ 2', '-ERR syntax error'],
    ['SET a 3 IFEQ 2 XX', '-ERR syntax error'],
  ],
  'SET with an expiry is refused, not ignored': [
    ['SET a 1 EX 10', "-ERR SET option 'EX' is not supported: keys do not expire"],
    ['EXISTS a', ':0'],
  ],
  'DEL and EXISTS': [
    ['MSET a 1 b 2', '+OK'],
    ['EXISTS a b c a', ':3'],
    ['DEL a a c', ':1'],
    ['DEL', "-ERR wrong number of arguments for 'del' command"],
    ['EXISTS a b', ':1'],
  ],
  'INCR and its kin': [
    ['INCR n', ':1'],
    ['INCRBY n 41', ':42'],
    ['DECR n', ':41'],
    ['DECRBY n 50', ':-9'],
    ['GET n', '$2¦-9'],
    ['SET s abc', '+OK'],
    ['INCR s', '-ERR value is not an integer or out of range'],
    ['INCRBY n 1.5', '-ERR value is not an integer or out of range'],
    ['INCRBY n 99999999999999999999', '-ERR value is not an integer or out of range'],
    ['SET p " 1"', '+OK'],
    ['INCR p', '-ERR value is not an integer or out of range'],
    ['SET p +1', '+OK'],
    ['INCR p', '-ERR value is not an integer or out of range'],
    ['SET p 01', '+OK'],
    ['INCR p', '-ERR value is not an integer or out of range'],
    ['SET p ""', '+OK'],
    ['INCR p', '-ERR value is not an integer or out of range'],
  ],
  'INCR at the ends of 64 bits': [
    ['SET n 9223372036854775806', '+OK'],
    ['INCR n', ':9223372036854775807'],
    ['INCR n', '-ERR increment or decrement would overflow'],
    ['GET n', '$19¦9223372036854775807'],
    ['DECRBY n 9223372036854775807', ':0'],
    ['INCRBY n -9223372036854775808', ':-9223372036854775808'],
    ['DECR n', '-ERR increment or decrement would overflow'],
    ['DECRBY n -9223372036854775808', '-ERR decrement would overflow'],
    ['INCRBY n 9223372036854775807', ':-1'],
  ],
  'APPEND and STRLEN': [
    ['STRLEN a', ':0'],
    ['APPEND a foo', ':3'],
    ['APPEND a bar', ':6'],
    ['GET a', '$6¦foobar'],
    ['STRLEN a', ':6'],
    ['APPEND e ""', ':0'],
    ['EXISTS e', ':1'],
  ],
  'MGET and MSET': [
    ['MSET a 1 b 2 a 3', '+OK'],
    ['MGET a z b a', '*4¦$1¦3¦$-1¦$1¦2¦$1¦3'],
    ['MSET a', "-ERR wrong number of arguments for 'mset' command"],
    ['MSET a 1 b', "-ERR wrong number of arguments for 'mset' command"],
    ['MGET', "-ERR wrong number of arguments for 'mget' command"],
  ],
  SCAN: [
    ['SET a 1', '+OK'],
    ['SCAN 0', '*2¦$1¦0¦*1¦$1¦a'],
    ['SCAN 0 MATCH b*', '*2¦$1¦0¦*0'],
    ['SCAN 0 TYPE hash', '*2¦$1¦0¦*0'],
    ['SCAN x', '-ERR invalid cursor'],
    ['SCAN 18446744073709551616', '-ERR invalid cursor'],
    ['SCAN 18446744073709551615', '*2¦$1¦0¦*0'],
    ['SCAN 0 COUNT 0', '-ERR syntax error'],
    ['SCAN 0 COUNT x', '-ERR value is not an integer or out of range'],
    ['SCAN 0 COUNT', '-ERR syntax error'],
    ['DBSIZE', ':1'],
  ],
  'SELECT knows database 0 alone': [
    ['SELECT 0', '+OK'],
    ['SELECT 1', '-ERR DB index is out of range'],
    ['SELECT x', '-ERR value is not an integer or out of range'],
  ],
  'unknown commands': [
    ['foo a b', "-ERR unknown command 'foo', with args beginning with: 'a' 'b' "],
    ['foo', "-ERR unknown command 'foo', with args beginning with: "],
    [
      `foo ${'abc '.repeat(60)}`,
      `-ERR unknown command 'foo', with args beginning with: ${"'abc' ".repeat(21)}'ab' `,
    ],
    ['"f\\r\\no" "a\\nb"', "-ERR unknown command 'f  o', with args beginning with: 'a b' "],
    ['CLIENT foo', "-ERR unknown subcommand 'foo'. Try CLIENT HELP."],
    ['PING', '+PONG'],
  ],
  'CLIENT and CONFIG': [
    ['CLIENT GETNAME', '$-1'],
    ['CLIENT SETNAME me', '+OK'],
    ['CLIENT GETNAME', '$2¦me'],
    ['CLIENT SETNAME "a b"', '-ERR Client names cannot contain spaces, newlines or special characters.'],
    ['CLIENT SETINFO lib-name x', '+OK'],
    ['CLIENT NO-EVICT on', '+OK'],
    ['CLIENT NO-EVICT maybe', '-ERR syntax error'],
    ['CLIENT SETNAME', "-ERR wrong number of arguments for 'client|setname' command"],
    ['RESET', '+RESET'],
    ['CLIENT GETNAME', '$-1'],
    ['CONFIG GET save', '*2¦$4¦save¦$0¦'],
    ['CONFIG GET appendonly', '*2¦$10¦appendonly¦$3¦yes'],
    ['CONFIG GET nothing', '*0'],
    ['COMMAND GETKEYS MSET a 1 b 2', '*2¦$1¦a¦$1¦b'],
  ],
};

describe('commands, on one connection', () => {
  for (const [name, steps] of Object.entries(conversations)) {
    test(name, async () => {
      const { port } = await startTestServer();
      const client = new RawClient(port);
      for (const [request, reply] of steps) {
        await client.expectReply(`${request}\r\n`, `${reply.replaceAll('¦', '\r\n')}\r\n`);
      }
    });

    test(`${name}, as one pipeline`, async () => {
      const { port } = await startTestServer();
      const client = new RawClient(port);
      const replies = steps.map(([, reply]) => `${reply.replaceAll('¦', '\r\n')}\r\n`).join('');
      await client.expectReply(steps.map(([request]) => `${request}\r\n`).join(''), replies);
      expect(client.closed).toBe(false);
    });
  }
});
