import { useEffect, useState } from 'react';

import { failureText } from '../../ui/failure';
import { SelectField } from '../../ui/Field';
import { dateAndTime } from '../../ui/time';
import { fetchFigures, type Figures, type Interval } from './api';
import { Chart } from './Chart';
import { chartsOf, eventsByKind, formatNumber } from './series';

const SPANS: Record<Interval, string> = {
  minute: 'The last hour, by minute',
  hour: 'The last two days, by hour',
  day: 'The last 30 days',
};

/** What the servers have counted, as charts and as tables. */
export default function FiguresView() {
  const [interval, setInterval] = useState<Interval>('hour');
  const [figures, setFigures] = useState<Figures | null>(null);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    let isCurrent = true;
    fetchFigures(interval).then(
      (fetched) => {
        if (!isCurrent) return;
        setFigures(fetched);
        setError(null);
      },
      (failure) => isCurrent && setError(failureText(failure)),
    );
    return () => {
      isCurrent = false;
    };
  }, [interval]);

  return (
    <div className="grid gap-5">
      <SelectField label="Time" value={interval} onChange={(event) => setInterval(event.currentTarget.value as Interval)}>
        {Object.entries(SPANS).map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </SelectField>
      <p role="status" className={error === null ? 'sr-only' : 'text-sm text-danger'}>
        {error ?? (figures ? `Figures by ${figures.interval}` : 'Loading')}
      </p>
      {figures && <Charts figures={figures} />}
    </div>
  );
}

function Charts({ figures }: { figures: Figures }) {
  return (
    <>
      <div className="grid gap-x-6 gap-y-5 md:grid-cols-2">
        {chartsOf(figures).map((chart) => (
          <Chart key={chart.title} figures={figures} chart={chart} />
        ))}
      </div>
      <Table
        name="Events by kind"
        columns={['Event', 'Received', 'Sent']}
        rows={eventsByKind(figures.total).map(({ name, received, sent }) => [name, formatNumber(received), formatNumber(sent)])}
      />
      <PointTable figures={figures} />
    </>
  );
}

function PointTable({ figures }: { figures: Figures }) {
  const lines = chartsOf(figures).flatMap(({ title, lines, format }) =>
    lines.map(({ label, value }) => ({ name: label === title ? title : `${title}: ${label.toLowerCase()}`, value, format })),
  );
  const rows = figures.points.map((point) => [
    dateAndTime(point.start),
    ...lines.map(({ value, format }) => {
      const amount = value(point);
      return amount === null ? '–' : format(amount);
    }),
  ]);
  return <Table name="All values" columns={['From', ...lines.map(({ name }) => name)]} rows={rows.reverse()} />;
}

function Table({ name, columns, rows }: { name: string; columns: string[]; rows: string[][] }) {
  return (
    <details className="min-w-0 text-sm">
      <summary className="flex min-h-10 pointer-coarse:min-h-11 cursor-pointer items-center font-medium text-accent">{name}</summary>
      <div role="region" aria-label={name} tabIndex={0} className="max-h-80 overflow-auto rounded-lg border border-line">
        <table className="w-full border-collapse tabular-nums">
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col" className="sticky top-0 bg-sunken px-3 py-2 text-right font-medium first:text-left">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([first, ...cells]) => (
              <tr key={first} className="border-t border-line">
                <th scope="row" className="px-3 py-1.5 text-left font-normal whitespace-nowrap">
                  {first}
                </th>
                {cells.map((cell, column) => (
                  <td key={columns[column + 1]} className="px-3 py-1.5 text-right">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
