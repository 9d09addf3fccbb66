/** docs/feature-parity.md names tests: they exist, and every row has one. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const root = '../../../';

/** Transcripts of others lie beside the repository, where they are there at all. */
const shared: Readonly<Record<string, string>> = {
  own: `${root}packages/raft-core/testdata/`,
  etcd: `${root}../shared/etcd-raft-testdata/`,
  'raft-rs': `${root}../shared/raft-rs-testdata/`,
};

const rows = readFileSync(path(`${root}docs/feature-parity.md`), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| ---') && !line.startsWith('| Feature'))
  .map((line) => line.slice(2, -2).split(' | '));

function missing(proof: string): string[] {
  const problems: string[] = [];
  for (const [, of = '', file = ''] of proof.matchAll(/`(own|etcd|raft-rs):([^`]+)`/g)) {
    const directory = path(shared[of] ?? '');
    if (existsSync(directory) && !existsSync(`${directory}${file}`)) problems.push(`${of}:${file}`);
  }
  for (const [, file = '', name = ''] of proof.matchAll(/`([^`:]+\.ts)` “([^”]+)”/g)) {
    const at = path(file.includes('/') && !/^(paper|museum)\//.test(file) ? `${root}${file}` : `./${file}`);
    const text = existsSync(at) ? readFileSync(at, 'utf8').replaceAll("\\'", "'") : '';
    if (!["'", '"', '`'].some((quote) => text.includes(`${quote}${name}${quote}`)))
      problems.push(`${file}: ${name}`);
  }
  return problems;
}

describe('docs/feature-parity.md', () => {
  test('has five cells in each row, none of them empty', () => {
    expect(rows.length).toBeGreaterThan(100);
    expect(rows.filter((cells) => cells.length !== 5 || cells.some((cell) => cell.trim() === ''))).toEqual(
      [],
    );
  });

  test('names a proof in each row', () => {
    expect(rows.filter(([, , , , proof = '']) => !/“[^”]+”|`(own|etcd|raft-rs):/.test(proof))).toEqual([]);
  });

  test('names only tests that exist', () => {
    expect(rows.flatMap(([, , , , proof = '']) => missing(proof))).toEqual([]);
  });
});
