// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { useQuery } from '@tanstack/react-query';
import { http, result } from '../../api';
import { asProblem } from '../../problem';
import { needsPreset, type Offered } from '../pool.model';

interface Named {
  name: string;
  description?: string;
}

/** Offers are what a cloud has to choose from at a datacenter, asked with the credentials of a preset. */
export interface Offers {
  sizes?: Offered[];
  zones?: Named[];
  images?: Named[];
  networks?: Named[];
  subnets?: Named[];
}

/** Choice is what there is to choose from, or why it is not known. */
export interface Choice {
  offers: Offers;
  loading: boolean;
  why?: string;
}

export function useOffers(project: string, provider: string, datacenter: string, preset: string | undefined): Choice {
  const path = '/api/v1/projects/{project}/presets/{name}/offers';
  const cloud = needsPreset(provider);
  const reading = useQuery({
    queryKey: ['get', path, project, datacenter, preset],
    queryFn: () =>
      result<Offers>(http.GET(path as never, { params: { path: { project, name: preset }, query: { datacenter } } } as never) as never),
    enabled: cloud && !!preset && !!datacenter,
    staleTime: 120_000,
    retry: false,
  });
  if (!cloud) return { offers: {}, loading: false };
  if (!preset) return { offers: {}, loading: false, why: 'No preset is chosen, so the provider cannot be asked what there is.' };
  const problem = reading.error ? asProblem(reading.error) : undefined;
  return {
    offers: reading.data ?? {},
    loading: reading.isLoading,
    why: problem && `The provider could not be asked what there is: ${problem.detail || problem.title}`,
  };
}
