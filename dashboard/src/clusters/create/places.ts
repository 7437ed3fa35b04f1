// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

/** providers are the names that people know. */
export const providers: Record<string, string> = {
  aws: 'AWS',
  azure: 'Azure',
  bringYourOwn: 'Your own machines',
  digitalocean: 'DigitalOcean',
  gcp: 'Google Cloud',
  hetzner: 'Hetzner',
  kubevirt: 'KubeVirt',
  local: 'Pods of the seed',
  openstack: 'OpenStack',
  vsphere: 'vSphere',
};

/** flag returns a country's code as people see it on a map; fonts without flags show the letters. */
export function flag(country: string | undefined): string {
  return country ?? '';
}
