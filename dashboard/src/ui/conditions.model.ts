// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Condition } from '../api';
import type { Tone } from './Status';

/** waiting are reasons that pass by themselves. What is in neither list is taken for a failure after a while only. */
const waiting =
  /^(Waiting|Starting|Connecting|Installing|Uninstalling|Creating|Updating|RollingOut|Progressing|Deleting|Pending|NotStarted)/;
const needsSomebody = new Set([
  'InvalidSpec',
  'UnsupportedVersion',
  'DatacenterMissing',
  'PresetMissing',
  'SecretMissing',
  'SSHKeyMissing',
  'SeedMissing',
  'SeedDrained',
  'QuotaExceeded',
  'Forbidden',
  'InvalidKey',
  'InvalidKubeconfig',
  'InvalidIssuers',
  'InstallFailed',
  'Unauthorized',
  'WrongCluster',
  'TakenByAnother',
  'MissingPermission',
  'KubernetesTooOld',
  'NamespaceTaken',
  'RoleMissing',
  'RoleRefused',
  'EndOfLife',
  'InfraUnauthenticated',
  'InfraUnauthorized',
  'InfraQuotaExceeded',
  'ConfigurationProblem',
]);

/** good says whether a condition is as it should be. UpgradeAvailable is a hint, not a fault. */
export function toneOf(condition: Condition): Tone {
  if (condition.type === 'UpgradeAvailable') {
    return condition.reason === 'EndOfLife' ? 'warn' : condition.status === 'True' ? 'busy' : 'good';
  }
  if (condition.status === 'True') return 'good';
  if (needsSomebody.has(condition.reason)) return 'bad';
  if (condition.status === 'Unknown') return 'warn';
  return waiting.test(condition.reason) ? 'busy' : 'warn';
}

/** failing reports whether somebody has to act. */
export function failing(condition: Condition | undefined): boolean {
  return condition !== undefined && condition.status !== 'True' && needsSomebody.has(condition.reason);
}

export function find(conditions: Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}
