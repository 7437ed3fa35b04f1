// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { useParams, useSearch } from '@tanstack/react-router';
import { ClusterTable, CreateButton, type ListSearch } from '../clusters/List';
import { Page } from '../ui/Page';

export function Clusters() {
  const { project = '' } = useParams({ strict: false });
  const search = useSearch({ strict: false }) as ListSearch;
  return (
    <Page title="Clusters" crumbs={[{ label: project, to: `/projects/${project}` }]} actions={<CreateButton project={project} />}>
      <ClusterTable project={project} search={search} />
    </Page>
  );
}

export function AllClusters() {
  const search = useSearch({ strict: false }) as ListSearch;
  return (
    <Page title="All clusters" sub="Of all projects that you may see.">
      <ClusterTable search={search} />
    </Page>
  );
}
