// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import '@xterm/xterm/css/xterm.css';
import { Button, Group, Text } from '@mantine/core';
import { FitAddon } from '@xterm/addon-fit';
import { Terminal as Screen } from '@xterm/xterm';
import { SquareTerminal } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useRights } from '../../me';
import { Section } from '../../ui/Page';
import { Empty } from '../../ui/States';
import { Status } from '../../ui/Status';
import { useCluster } from '../Detail';
import { frame, type Told, told } from './terminal.model';

/** Terminal is a shell with kubectl in the cluster, as whoever is signed in. */
export function Terminal() {
  const { project, name, reading } = useCluster();
  const rights = useRights(project);
  const [open, setOpen] = useState(0);
  const off = !reading.data?.status?.endpoint;
  if (!open) {
    return (
      <div className="card">
        <Empty
          icon={<SquareTerminal size={28} />}
          title="A shell in this cluster"
          action={
            <Button disabled={off || !rights.edit} title={rights.edit ? undefined : rights.why} onClick={() => setOpen(1)}>
              Open terminal
            </Button>
          }
        >
          {off
            ? 'There is no address yet. The terminal comes as soon as the API can be reached.'
            : 'It runs in a pod of the cluster with kubectl, and you are yourself there: you may do what your role allows. It ends after an hour, or a quarter of an hour without input.'}
        </Empty>
      </div>
    );
  }
  return <Shell key={open} path={`/api/v1/projects/${project}/clusters/${name}/terminal`} again={() => setOpen(open + 1)} />;
}

function Shell({ path, again }: { path: string; again: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<Told>({ type: 'status', message: 'Connecting' });
  useEffect(() => {
    const screen = new Screen({
      fontFamily: "'JetBrains Mono Variable', monospace",
      fontSize: 13,
      cursorBlink: true,
      theme: { background: '#12161b' },
      screenReaderMode: true,
    });
    const fit = new FitAddon();
    screen.loadAddon(fit);
    screen.open(place.current!);
    fit.fit();
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${path}`);
    socket.binaryType = 'arraybuffer';
    const size = () =>
      socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ type: 'resize', columns: screen.cols, rows: screen.rows }));
    socket.onopen = size;
    socket.onmessage = (event) => {
      if (typeof event.data !== 'string') {
        screen.write(new Uint8Array(event.data));
        return;
      }
      const message = told(event.data);
      setState(message);
      if (message.type === 'ready') screen.focus();
    };
    socket.onclose = () => setState((before) => (before.type === 'end' ? before : { type: 'end', message: 'The connection was lost.' }));
    const input = screen.onData((text) => socket.readyState === WebSocket.OPEN && socket.send(frame(text)));
    const resized = screen.onResize(size);
    const watch = new ResizeObserver(() => fit.fit());
    watch.observe(place.current!);
    return () => {
      watch.disconnect();
      input.dispose();
      resized.dispose();
      socket.onclose = null;
      socket.close();
      screen.dispose();
    };
  }, [path]);
  return (
    <Section
      title="Terminal"
      actions={
        <Group>
          <Status
            tone={state.type === 'ready' ? 'good' : state.type === 'end' ? 'off' : 'busy'}
            label={state.type === 'ready' ? 'Connected' : state.message || 'Ended'}
          />
          {state.type === 'end' && (
            <Button size="compact-sm" variant="default" onClick={again}>
              Open again
            </Button>
          )}
        </Group>
      }
    >
      <div ref={place} style={{ height: '56vh', background: '#12161b', padding: 8, borderRadius: 8 }} />
      <Text size="xs" c="dimmed" mt={6}>
        What is typed here is not recorded; that the terminal was opened is in the audit.
      </Text>
    </Section>
  );
}
