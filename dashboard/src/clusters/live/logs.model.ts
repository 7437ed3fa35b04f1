// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

/** logs are the components of the control plane that have a log, by how the cluster's status calls them. */
const logs: Record<string, string> = {
  apiserver: 'kube-apiserver',
  'controller-manager': 'kube-controller-manager',
  scheduler: 'kube-scheduler',
  konnectivity: 'konnectivity-server',
};
const known = new Set([
  'etcd',
  'konnectivity-server',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-state-metrics',
  'openvpn',
  'prometheus',
]);

/** logOf returns the name by which the log of a component is asked for; none: it runs inside the cluster, where kubectl has it. */
export function logOf(component: string): string | undefined {
  const name = logs[component] ?? component;
  return known.has(name) ? name : undefined;
}
