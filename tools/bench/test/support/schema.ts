/** What is wrong with a value, by the part of JSON Schema that our schema uses. */

export interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
}

export function faults(value: unknown, by: Schema, at = 'report'): string[] {
  if (by.const !== undefined && value !== by.const) return [`${at} is not ${JSON.stringify(by.const)}`];
  if (by.enum !== undefined && !by.enum.includes(value)) return [`${at} is ${String(value)}`];
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const types = by.type === undefined ? [kind] : [by.type].flat();
  if (!types.includes(kind) && !(types.includes('integer') && Number.isInteger(value)))
    return [`${at} is of type ${kind}`];
  if (Array.isArray(value)) return value.flatMap((one, i) => faults(one, by.items ?? {}, `${at}[${i}]`));
  if (typeof value !== 'object' || value === null) return [];
  const { properties = {}, required = [], additionalProperties = true } = by;
  return [
    ...required.filter((name) => !(name in value)).map((name) => `${at} lacks ${name}`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const known =
        properties[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
      if (known === undefined) return additionalProperties === false ? [`${at} has ${name}`] : [];
      return faults(inner, known, `${at}.${name}`);
    }),
  ];
}
