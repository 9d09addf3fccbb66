import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { describeResult, runTranscript } from '../src/testing/index.ts';

const own = fileURLToPath(new URL('../testdata', import.meta.url));
const shared = [
  ["etcd's transcripts", new URL('../../../../shared/etcd-raft-testdata', import.meta.url)],
  ["raft-rs's group commits", new URL('../../../../shared/raft-rs-testdata', import.meta.url)],
] as const;

/** Election timeouts differ from seed to seed; no transcript may depend on them. */
const seeds = [1, 2, 3, 4, 5];

function suite(title: string, directory: string): void {
  describe(title, () => {
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.txt'),
    );
    test.each(files.sort())('%s is reproduced byte for byte', (name) => {
      const text = readFileSync(join(directory, name), 'utf8');
      for (const seed of seeds) {
        const results = runTranscript(text, { seed });
        const failures = results.filter((result) => !result.passed).map(describeResult);
        expect(failures.join('\n\n'), `seed ${String(seed)}`).toBe('');
        expect(results.length).toBeGreaterThan(0);
      }
    });
  });
}

suite("Balsa's transcripts", own);

for (const [title, url] of shared) {
  const path = fileURLToPath(url);
  if (existsSync(path)) suite(title, path);
  else {
    test(`${title} are not run, because ${path} is not there`, () => {
      process.stderr.write(`${title} were not run: ${path} is not there\n`);
      expect(existsSync(path)).toBe(false);
    });
  }
}
