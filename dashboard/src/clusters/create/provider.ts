// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { api, type Schema } from '../../api';

/** providerOf returns the name of a datacenter's provider. */
export function providerOf(datacenter: Schema<'Datacenter'> | undefined): string {
  return Object.keys(datacenter?.spec.provider ?? {})[0] ?? '';
}

/** useDatacenters are those that a project may use. */
export function useDatacenters(project: string) {
  return api.useQuery('get', '/api/v1/projects/{project}/datacenters', { params: { path: { project }, query: { pageSize: 500 } } });
}

/** useProvider returns the name of the provider of a datacenter that the project may use; empty: it is not known. */
export function useProvider(project: string, datacenter: string): string {
  return providerOf(useDatacenters(project).data?.items.find((item) => item.metadata?.name === datacenter));
}
