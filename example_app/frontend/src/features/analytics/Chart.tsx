import 'uplot/dist/uPlot.min.css';
import './language';

import { useEffect, useRef } from 'react';
import UPlot from 'uplot';

import type { Figures } from './api';
import type { ChartOf } from './series';
import { useScheme } from './useScheme';

const HEIGHT = 150;
const AXIS_WIDTH = 76;

/** A chart of some figures. Who does not see it has its summary, and the table with the same values. */
export function Chart({ figures, chart }: { figures: Figures; chart: ChartOf }) {
  const place = useRef<HTMLDivElement>(null);
  const scheme = useScheme();

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const plot = new UPlot(optionsOf(chart, element), dataOf(figures, chart), element);
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [figures, chart, scheme]);

  return (
    <figure className="min-w-0">
      <figcaption className="mb-1 flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="font-semibold">{chart.title}</span>
        <span className="text-sm text-muted">{chart.summary(figures.total)}</span>
      </figcaption>
      <div ref={place} aria-hidden className="h-38 overflow-hidden" />
      {chart.lines.length > 1 && (
        <p aria-hidden className="flex gap-4 text-xs text-muted">
          {chart.lines.map(({ label, colour }) => (
            <span key={label} className="flex items-center gap-1.5">
              <span className={`h-0.5 w-4 ${colour === '--accent' ? 'bg-accent' : 'bg-warning'}`} /> {label}
            </span>
          ))}
        </p>
      )}
    </figure>
  );
}

function dataOf({ points }: Figures, { lines }: ChartOf): UPlot.AlignedData {
  return [points.map(({ start }) => Date.parse(start) / 1000), ...lines.map(({ value }) => points.map(value))];
}

function optionsOf({ lines, format }: ChartOf, element: HTMLElement): UPlot.Options {
  const axis = { stroke: colourOf(element, '--muted'), grid: { stroke: colourOf(element, '--line'), width: 1 } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [axis, { ...axis, size: AXIS_WIDTH, values: (_plot, ticks) => ticks.map(format) }],
    series: [
      {},
      ...lines.map(({ label, colour }) => ({ label, stroke: colourOf(element, colour), width: 2, points: { show: false } })),
    ],
  };
}

/** A canvas knows neither custom properties nor `light-dark()`. */
function colourOf(element: HTMLElement, property: string): string {
  element.style.color = `var(${property})`;
  const { color } = getComputedStyle(element);
  element.style.color = '';
  return color;
}
