// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button } from '@mantine/core';
import { Boxes } from 'lucide-react';
import { useState } from 'react';
import { useRights } from '../me';
import { Facts, Section } from '../ui/Page';
import { type Column, ResourceTable } from '../ui/ResourceTable';
import { Empty } from '../ui/States';
import { Status } from '../ui/Status';
import { useCluster } from './Detail';
import { Logs } from './live/Logs';
import { logOf } from './live/logs.model';
import { type Component, componentsOf } from './model';

/** ControlPlane shows what the cluster is made of. */
export function ControlPlane() {
  const { project, name, reading } = useCluster();
  const rights = useRights(project);
  const [log, showLog] = useState<string>();
  const cluster = reading.data;
  if (!cluster) return null;
  return (
    <>
      <Section title="Components" sub="The control plane on the seed, and what the platform runs inside the cluster." flush>
        <ResourceTable
          label="Components"
          reading={{ data: { items: componentsOf(cluster) }, error: null, isPending: false, refetch: () => undefined }}
          columns={[
            ...columns,
            {
              title: '',
              right: true,
              cell: (component) => {
                const of = logOf(component.name);
                if (!of) return null;
                return (
                  <Button
                    size="compact-xs"
                    variant="default"
                    disabled={!rights.edit}
                    title={rights.edit ? undefined : rights.why}
                    aria-label={`Log of ${component.name}`}
                    onClick={() => showLog(of)}
                  >
                    Log
                  </Button>
                );
              },
            },
          ]}
          keyOf={(component) => component.name}
          empty={
            <Empty icon={<Boxes size={28} />} title="Nothing runs yet">
              Components appear as soon as a seed is chosen.
            </Empty>
          }
        />
      </Section>
      {log && <Logs project={project} cluster={name} component={log} onClose={() => showLog(undefined)} />}
      <Section title="Settings">
        <Facts
          facts={[
            ['Profile', cluster.spec.profile ?? 'Compact'],
            ['Exposed by', cluster.spec.expose?.strategy ?? 'what the seed does by default'],
            [
              'Pods',
              <span key="p" className="mono">
                {cluster.spec.network?.podCIDR ?? '–'}
              </span>,
            ],
            [
              'Services',
              <span key="s" className="mono">
                {cluster.spec.network?.serviceCIDR ?? '–'}
              </span>,
            ],
            ['Encryption of Secrets', cluster.spec.encryption?.enabled ? `on, key ${cluster.spec.encryption.rotation ?? 1}` : 'off'],
            ['Monitoring', cluster.spec.monitoring?.enabled === false ? 'off' : 'on'],
          ]}
        />
      </Section>
    </>
  );
}

const columns: Column<Component>[] = [
  { title: 'Component', width: 200, cell: (component) => <span className="mono">{component.name}</span> },
  {
    title: 'Status',
    width: 160,
    cell: (component) => (
      <Status tone={component.ready ? 'good' : 'busy'} label={component.reason ?? (component.ready ? 'Ready' : 'Waiting')} />
    ),
  },
  {
    title: 'What it is for, or waits for',
    cell: (component) => (
      <span style={component.message ? undefined : { color: 'var(--mantine-color-dimmed)' }}>{component.message || component.what}</span>
    ),
  },
];
