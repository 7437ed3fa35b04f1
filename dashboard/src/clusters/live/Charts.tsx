// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { SegmentedControl, Text } from '@mantine/core';
import { keepPreviousData } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { ChartLine } from 'lucide-react';
import { useState } from 'react';
import { api } from '../../api';
import { Empty, Failed, Loading } from '../../ui/States';
import { useCluster } from '../Detail';
import { type Chart, charts, nearest, path, top } from './charts.model';

const colours = ['var(--canopy-good)', 'var(--canopy-busy)', 'var(--canopy-warn)', '#b06fd8', '#2fa5b5', '#d8708f', '#8a9a3f', '#7a86e0'];
const width = 480;
const height = 120;

/** Charts are the last hours of a cluster. They are measured every 30 seconds; the stream of changes has none of them. */
export function Charts() {
  const { project, name } = useCluster();
  const search = useSearch({ strict: false }) as { range?: '6h' | '24h' };
  const navigate = useNavigate();
  const range = search.range ?? '1h';
  const reading = api.useQuery(
    'get',
    '/api/v1/projects/{project}/clusters/{cluster}/metrics',
    { params: { path: { project, cluster: name }, query: { range } } },
    { refetchInterval: 30_000, placeholderData: keepPreviousData },
  );
  const shown = charts(reading.data?.series ?? []);
  return (
    <>
      <div style={{ display: 'flex', justifyContent: 'flex-end', marginBottom: 12 }}>
        <SegmentedControl
          size="xs"
          aria-label="How long"
          value={range}
          onChange={(value) => void navigate({ to: '.', search: (value === '1h' ? {} : { range: value }) as never })}
          data={[
            { value: '1h', label: '1 hour' },
            { value: '6h', label: '6 hours' },
            { value: '24h', label: '24 hours' },
          ]}
        />
      </div>
      {reading.error && !reading.data ? <Failed error={reading.error} retry={() => void reading.refetch()} /> : null}
      {reading.isPending && <Loading />}
      {reading.data && shown.length === 0 && (
        <div className="card">
          <Empty icon={<ChartLine size={28} />} title="Nothing was measured">
            {reading.data.reason ?? 'Measurements begin when the control plane runs.'}
          </Empty>
        </div>
      )}
      <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fill, minmax(min(100%, 400px), 1fr))', gap: 16 }}>
        {reading.data &&
          shown.map((chart) => (
            <Plot
              key={chart.title}
              chart={chart}
              from={Date.parse(reading.data.from) / 1000}
              to={Date.parse(reading.data.to) / 1000}
              step={reading.data.step}
            />
          ))}
      </div>
    </>
  );
}

/** Plot is one chart. The value under the pointer is beside the name of its line. */
function Plot({ chart, from, to, step }: { chart: Chart; from: number; to: number; step: number }) {
  const [time, point] = useState<number>();
  const end = top(chart.lines);
  const box = { from, to, step, top: end, width, height };
  const at = (line: Chart['lines'][number]) => (time === undefined ? line.points.at(-1) : nearest(line.points, time));
  const clock = (seconds: number) => new Date(seconds * 1000).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  return (
    <figure className="card" style={{ margin: 0, padding: '12px 14px' }}>
      <figcaption style={{ display: 'flex', justifyContent: 'space-between', gap: 8, alignItems: 'baseline' }}>
        <Text fw={600}>{chart.title}</Text>
        <Text size="xs" c="dimmed">
          {time === undefined ? (chart.limit ? `of ${chart.write(chart.limit)}` : chart.what) : clock(time)}
        </Text>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${chart.title}: ${chart.lines.map((line) => `${line.label} ${chart.write(line.points.at(-1)?.[1] ?? 0)}`).join(', ')}`}
        style={{ width: '100%', height, display: 'block', marginTop: 8, overflow: 'visible' }}
        onMouseMove={(event) => {
          const area = event.currentTarget.getBoundingClientRect();
          point(from + ((event.clientX - area.left) / area.width) * (to - from));
        }}
        onMouseLeave={() => point(undefined)}
      >
        {[0, 0.5, 1].map((share) => (
          <line
            key={share}
            x1={0}
            x2={width}
            y1={height * share}
            y2={height * share}
            stroke="var(--canopy-line)"
            vectorEffect="non-scaling-stroke"
          />
        ))}
        {chart.lines.map((line, i) => (
          <path
            key={line.label}
            d={path(line.points, box)}
            fill="none"
            stroke={colours[i % colours.length]}
            strokeWidth={1.6}
            vectorEffect="non-scaling-stroke"
          />
        ))}
        {time !== undefined && (
          <line
            x1={((time - from) / (to - from)) * width}
            x2={((time - from) / (to - from)) * width}
            y1={0}
            y2={height}
            stroke="var(--mantine-color-dimmed)"
            strokeDasharray="3 3"
            vectorEffect="non-scaling-stroke"
          />
        )}
      </svg>
      <div
        className="number"
        style={{ display: 'flex', justifyContent: 'space-between', fontSize: 11, color: 'var(--mantine-color-dimmed)', marginTop: 4 }}
      >
        <span>{clock(from)}</span>
        <span>scale to {chart.write(end)}</span>
        <span>{clock(to)}</span>
      </div>
      <div style={{ display: 'flex', flexWrap: 'wrap', gap: '2px 14px', marginTop: 6, fontSize: 12 }}>
        {chart.lines.map((line, i) => (
          <span key={line.label} style={{ display: 'inline-flex', alignItems: 'center', gap: 6 }}>
            <span className="dot" style={{ background: colours[i % colours.length] }} />
            {line.label && <span>{line.label}</span>}
            <b className="number" style={{ fontWeight: 600 }}>
              {chart.write(at(line)?.[1] ?? 0)}
            </b>
          </span>
        ))}
      </div>
    </figure>
  );
}
