// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Checkbox, Drawer, Group } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { http } from '../../api';
import { asProblem, type Problem } from '../../problem';
import { Copy } from '../../ui/Copy';
import { Failed } from '../../ui/States';

/** most is how many characters of a log are kept on the page. */
const most = 400_000;

/** Logs follows what a component of the control plane writes. */
export function Logs({
  project,
  cluster,
  component,
  onClose,
}: {
  project: string;
  cluster: string;
  component: string;
  onClose: () => void;
}) {
  const [text, setText] = useState('');
  const [previous, setPrevious] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [ended, end] = useState(false);
  const [attempt, again] = useState(0);
  const area = useRef<HTMLPreElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt reads again
  useEffect(() => {
    const stop = new AbortController();
    setText('');
    setProblem(undefined);
    end(false);
    const read = async () => {
      const { error, response } = await http.GET('/api/v1/projects/{project}/clusters/{cluster}/components/{name}/logs', {
        params: { path: { project, cluster, name: component }, query: { follow: !previous, previous, tailLines: 500 } },
        parseAs: 'stream',
        signal: stop.signal,
      });
      if (error || !response.body) throw error;
      const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await lines.read(); !part.done; part = await lines.read()) {
        const piece = part.value;
        setText((before) => (before + piece).slice(-most));
      }
      end(true);
    };
    read().catch((error) => {
      if (!stop.signal.aborted) setProblem(asProblem(error));
    });
    return () => stop.abort();
  }, [project, cluster, component, previous, attempt]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines scroll to the end, unless somebody reads further up
  useEffect(() => {
    const pre = area.current;
    if (pre && pre.scrollHeight - pre.scrollTop - pre.clientHeight < 120) pre.scrollTop = pre.scrollHeight;
  }, [text]);
  return (
    <Drawer opened onClose={onClose} position="bottom" size="60%" title={<b>Log of {component}</b>}>
      <Group mb="sm">
        <Checkbox label="Of the run before" checked={previous} onChange={(event) => setPrevious(event.currentTarget.checked)} />
        <Copy text={text} what="log" />
        {ended && !previous && (
          <Button size="compact-sm" variant="default" onClick={() => again(attempt + 1)}>
            The log has ended: follow again
          </Button>
        )}
      </Group>
      {problem ? (
        <Failed error={problem} retry={() => again(attempt + 1)} />
      ) : (
        <pre
          ref={area}
          className="code"
          role="log"
          tabIndex={0}
          aria-label={`Log of ${component}`}
          style={{ height: '44vh', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}
        >
          {text || 'Waiting for the first line.'}
        </pre>
      )}
    </Drawer>
  );
}
