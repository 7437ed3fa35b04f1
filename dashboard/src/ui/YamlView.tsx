// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Group, SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { stringify } from 'yaml';
import { Copy } from './Copy';

/** CodeBlock shows text that was made for machines, to be read and copied. */
export function CodeBlock({ text, what, maxHeight = 560 }: { text: string; what: string; maxHeight?: number }) {
  return (
    <div style={{ position: 'relative' }}>
      <pre className="code" tabIndex={0} role="region" aria-label={what} style={{ maxHeight }}>
        {text.split('\n').map((line, i) => (
          <Line key={i} text={line} />
        ))}
      </pre>
      <div style={{ position: 'absolute', top: 8, right: 12 }}>
        <Copy text={text} what={what} />
      </div>
    </div>
  );
}

/** Line colours the key of a line of YAML. */
function Line({ text }: { text: string }) {
  const match = /^(\s*(?:- )?)([\w./-]+)(\s*[:=])(.*)$/.exec(text);
  if (!match) return <>{`${text}\n`}</>;
  return (
    <>
      {match[1]}
      <span className="key">{match[2]}</span>
      {match[3]}
      {`${match[4]}\n`}
    </>
  );
}

/** YamlView shows an object as kubectl would; at first without what the server has written for itself. */
export function YamlView({ object }: { object: object }) {
  const [part, setPart] = useState('spec');
  const text = stringify(part === 'all' ? object : declared(object), { lineWidth: 0 });
  return (
    <>
      <Group mb="sm">
        <SegmentedControl
          size="xs"
          value={part}
          onChange={setPart}
          data={[
            { value: 'spec', label: 'What was declared' },
            { value: 'all', label: 'Everything' },
          ]}
        />
      </Group>
      <CodeBlock text={text} what="YAML" maxHeight={720} />
    </>
  );
}

/** declared leaves of an object what somebody would write to have the same one. */
export function declared(object: { apiVersion?: string; kind?: string; metadata?: Record<string, unknown>; spec?: unknown }): object {
  const { name, namespace, labels, annotations } = object.metadata ?? {};
  const metadata = Object.fromEntries(Object.entries({ name, namespace, labels, annotations }).filter(([, value]) => value !== undefined));
  return { apiVersion: object.apiVersion, kind: object.kind, metadata, spec: object.spec };
}
