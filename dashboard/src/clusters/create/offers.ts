// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { api, type Schema } from '../../api';
import { asProblem } from '../../problem';
import { needsPreset } from '../pool.model';

/** Offers are what a cloud has to choose from at a datacenter, asked with the credentials of a preset. */
export type Offers = Schema<'Offers'>;

/** Choice is what there is to choose from, or why it is not known. */
export interface Choice {
  offers: Offers;
  loading: boolean;
  why?: string;
}

export function useOffers(project: string, provider: string, datacenter: string, preset: string | undefined): Choice {
  const cloud = needsPreset(provider);
  const reading = api.useQuery(
    'get',
    '/api/v1/projects/{project}/presets/{name}/offers',
    { params: { path: { project, name: preset ?? '' }, query: { datacenter } } },
    { enabled: cloud && !!preset && !!datacenter, staleTime: 120_000, retry: false },
  );
  if (!cloud) return { offers: {}, loading: false };
  if (!preset) return { offers: {}, loading: false, why: 'No preset is chosen, so the provider cannot be asked what there is.' };
  const problem = reading.error ? asProblem(reading.error) : undefined;
  return {
    offers: reading.data ?? {},
    loading: reading.isLoading,
    why: problem && `The provider could not be asked what there is: ${problem.detail || problem.title}`,
  };
}
