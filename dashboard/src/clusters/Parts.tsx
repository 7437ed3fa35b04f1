// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Tooltip } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { ArrowUp } from 'lucide-react';
import { type Cluster, projectOf } from '../api';
import { Chip, Status } from '../ui/Status';
import { nodesOf, stateOf, upgradeOf } from './model';

export function ClusterLink({ cluster }: { cluster: Cluster }) {
  const name = cluster.metadata?.name ?? '';
  return (
    <Link className="name" to="/projects/$project/clusters/$cluster" params={{ project: projectOf(cluster), cluster: name }}>
      {name}
    </Link>
  );
}

export function ClusterStatus({ cluster }: { cluster: Cluster }) {
  const state = stateOf(cluster);
  return <Status tone={state.tone} label={state.label} why={state.sentence} />;
}

/** Version says which one there is, and what could be. */
export function Version({ cluster }: { cluster: Cluster }) {
  const upgrade = upgradeOf(cluster);
  return (
    <span style={{ display: 'inline-flex', gap: 8, alignItems: 'center' }}>
      <span className="number">{cluster.status?.version ?? cluster.spec.version}</span>
      {upgrade.to && (
        <Tooltip label={upgrade.why ?? `${upgrade.to} is available`}>
          <span>
            <Chip tone={upgrade.endOfLife ? 'warn' : 'busy'}>
              <ArrowUp size={11} aria-label="upgrade to" />
              {upgrade.to}
            </Chip>
          </span>
        </Tooltip>
      )}
    </span>
  );
}

export function Nodes({ cluster }: { cluster: Cluster }) {
  const { ready, wanted } = nodesOf(cluster);
  return (
    <span className="number">
      {ready}
      <span style={{ color: 'var(--mantine-color-dimmed)' }}> / {Math.max(wanted, ready)}</span>
    </span>
  );
}
