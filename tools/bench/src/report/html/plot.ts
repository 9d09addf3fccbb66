/** Drawings by ECharts on the server's side: SVG as text, without a browser. */
import { init, type EChartsCoreOption } from 'echarts';
import { grid, ink, muted, themed } from './theme.ts';

const width = 1000;
const font = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export function draw(height: number, option: EChartsCoreOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily: font, fontSize: 13, color: ink },
      ...option,
    });
    return themed(chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

export interface AxisOptions {
  readonly name: string;
  readonly log?: boolean;
  readonly categories?: readonly string[];
  /** Further along than usual, for long names of values. */
  readonly gap?: number;
  readonly inverse?: boolean;
  readonly format?: (value: number) => string;
}

export function axis({ name, log, categories, gap = 30, inverse, format }: AxisOptions): object {
  const type = categories !== undefined ? 'category' : log === true ? 'log' : 'value';
  return {
    type,
    name,
    nameLocation: 'middle',
    nameGap: gap,
    nameTextStyle: { color: muted },
    ...(categories !== undefined && { data: [...categories] }),
    ...(inverse === true && { inverse: true }),
    axisLabel: { color: ink, ...(format !== undefined && { formatter: format }) },
    axisLine: { lineStyle: { color: muted } },
    axisTick: { lineStyle: { color: muted } },
    splitLine: { show: categories === undefined, lineStyle: { color: grid } },
    minorTick: { show: false },
  };
}

/** Names of the series above the drawing. */
export const legend: object = {
  top: 0,
  textStyle: { color: ink },
  itemGap: 30,
  itemWidth: 16,
  itemHeight: 10,
};
