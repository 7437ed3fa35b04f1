// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { keepPreviousData } from '@tanstack/react-query';
import { api, type Cluster, projectOf, type Schema } from '../api';

/** keyOf names a cluster as the API's list of what is used does. */
export function keyOf(cluster: Cluster): string {
  return `${projectOf(cluster)}/${cluster.metadata?.name}`;
}

/** useUsage is what the nodes of some clusters use, by project/cluster. It is measured every two minutes; no stream has it. */
export function useUsage(clusters: Cluster[] | undefined): Map<string, Schema<'ClusterUsage'>> {
  const names = (clusters ?? []).slice(0, 100).map(keyOf).sort();
  const reading = api.useQuery(
    'get',
    '/api/v1/clusters/usage',
    { params: { query: { clusters: names } } },
    { enabled: names.length > 0, refetchInterval: 120_000, placeholderData: keepPreviousData, retry: false },
  );
  return new Map((reading.data?.items ?? []).map((usage) => [`${usage.project}/${usage.cluster}`, usage]));
}
