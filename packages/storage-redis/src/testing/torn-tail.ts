/**
 * The one thing about its files that a server does not mend by itself after a power cut: a file system may keep the
 * new size of the append-only file and not its last bytes, which are zeros then. The server takes a file that ends too
 * early for torn, and loads what is whole; one that ends with zeros it takes for damaged, and does not start.
 */
import { readFileSync, readdirSync, truncateSync } from 'node:fs';
import path from 'node:path';

/** What a server says that does not start for it. The name that it gives is without the folder. */
const complaint = /Bad file format reading the append only file (?<name>[^\s:]+)/;

/**
 * Cuts zeros off the end of the file that the server complains about; true when there were any. Nothing else is
 * touched: an append-only file never ends with a zero, and damage of any other kind is left for the server to refuse.
 */
export function mendTornTail(directory: string, output: string): boolean {
  const name = complaint.exec(output)?.groups?.['name'];
  if (name === undefined) return false;
  const found = readdirSync(directory, { recursive: true, withFileTypes: true }).find(
    (entry) => entry.isFile() && entry.name === path.basename(name),
  );
  if (found === undefined) return false;
  const file = path.join(found.parentPath, found.name);
  const bytes = readFileSync(file);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  if (end === bytes.length) return false;
  truncateSync(file, end);
  return true;
}
