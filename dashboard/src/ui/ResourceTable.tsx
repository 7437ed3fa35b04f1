// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Checkbox, Group, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Schema } from '../api';
import { useConnection } from '../live';
import { Failed, Loading, PartialNotice } from './States';

export interface Column<T> {
  title: string;
  cell: (row: T) => ReactNode;
  right?: boolean;
  width?: number | string;
}

/** Reading is what a query says of itself. */
export interface Reading<T> {
  data?: { items: T[]; totalSize?: number; nextPageToken?: string; partial?: Schema<'Partial'>[] };
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

/** ResourceTable shows a list in each of its states: loading, failed, empty, partial, there. */
export function ResourceTable<T>({
  label,
  reading,
  columns,
  keyOf,
  empty,
  selected,
  onSelect,
  nameOf,
  footer,
}: {
  label: string;
  reading: Reading<T>;
  columns: Column<T>[];
  keyOf: (row: T) => string;
  empty: ReactNode;
  selected?: Set<string>;
  onSelect?: (keys: Set<string>) => void;
  nameOf?: (row: T) => string;
  footer?: ReactNode;
}) {
  const stale = useConnection().state === 'lost';
  const { data, error } = reading;
  if (!data) {
    if (error) {
      return (
        <div style={{ padding: 16 }}>
          <Failed error={error} retry={() => void reading.refetch()} />
        </div>
      );
    }
    return <Loading />;
  }
  const keys = data.items.map(keyOf);
  const all = keys.length > 0 && keys.every((key) => selected?.has(key));
  const toggle = (key: string) => {
    const next = new Set(selected);
    if (!next.delete(key)) next.add(key);
    onSelect?.(next);
  };
  return (
    <>
      {data.partial?.length ? (
        <div style={{ padding: '0 16px' }}>
          <PartialNotice partial={data.partial} />
        </div>
      ) : null}
      {data.items.length === 0 ? (
        empty
      ) : (
        <section className="scroll" tabIndex={0} aria-label={label}>
          <table className="table" aria-label={label} data-stale={stale || undefined}>
            <thead>
              <tr>
                {onSelect && (
                  <th style={{ width: 36 }}>
                    <Checkbox
                      size="xs"
                      aria-label="Select all on this page"
                      checked={all}
                      indeterminate={!all && keys.some((key) => selected?.has(key))}
                      onChange={() => onSelect(all ? new Set() : new Set(keys))}
                    />
                  </th>
                )}
                {columns.map((column) => (
                  <th key={column.title} data-align={column.right ? 'right' : undefined} style={{ width: column.width }} scope="col">
                    {column.title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.items.map((row) => {
                const key = keyOf(row);
                return (
                  <tr key={key}>
                    {onSelect && (
                      <td>
                        <Checkbox
                          size="xs"
                          aria-label={`Select ${nameOf?.(row) ?? key}`}
                          checked={selected?.has(key) ?? false}
                          onChange={() => toggle(key)}
                        />
                      </td>
                    )}
                    {columns.map((column) => (
                      <td key={column.title} data-align={column.right ? 'right' : undefined}>
                        {column.cell(row)}
                      </td>
                    ))}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </section>
      )}
      {footer}
    </>
  );
}

/** Pager turns the pages of a list that the server cuts. */
export function Pager({
  from,
  shown,
  total,
  onFirst,
  onNext,
}: {
  from: number;
  shown: number;
  total: number;
  onFirst?: () => void;
  onNext?: () => void;
}) {
  if (total === 0) return null;
  return (
    <Group justify="space-between" px="md" py={8} style={{ borderTop: '1px solid var(--canopy-line)' }}>
      <Text size="sm" c="dimmed" className="number" role="status">
        {from + 1}–{from + shown} of {total.toLocaleString('en')}
      </Text>
      <Group gap="xs">
        <Button size="compact-sm" variant="default" disabled={!onFirst} onClick={onFirst}>
          First page
        </Button>
        <Button size="compact-sm" variant="default" disabled={from === 0} onClick={() => history.back()}>
          Previous
        </Button>
        <Button size="compact-sm" variant="default" disabled={!onNext} onClick={onNext}>
          Next
        </Button>
      </Group>
    </Group>
  );
}
