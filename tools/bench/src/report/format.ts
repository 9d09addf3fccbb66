/** Numbers as people read them. */
import type { Metric, Ratio } from './report.ts';

const nothing = '-';

/** Three digits, with k and M beyond a thousand. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return nothing;
  const size = Math.abs(value);
  if (size >= 999_500_000) return `${digits(value / 1e9)} G`;
  if (size >= 999_500) return `${digits(value / 1e6)} M`;
  if (size >= 9_995) return `${digits(value / 1e3)} k`;
  if (size >= 999.5) return Math.round(value).toLocaleString('en-US');
  return digits(value);
}

function digits(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

export function metricText(metric: Metric | undefined): string {
  return short(metric?.value);
}

/** `1.23`, and with `spread` the lowest and highest round. */
export function ratioText(ratio: Ratio | undefined, spread = false): string {
  if (ratio === undefined) return nothing;
  const text = digits(ratio.value);
  return spread ? `${text} [${digits(ratio.min)}, ${digits(ratio.max)}]` : text;
}

/** Bytes with a binary unit. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : digits(value)} ${units[unit] ?? ''}`;
}
