// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Section } from '../ui/Page';
import { YamlView } from '../ui/YamlView';
import { useCluster } from './Detail';

export function Yaml() {
  const { reading } = useCluster();
  return <Section title="YAML">{reading.data && <YamlView object={reading.data} />}</Section>;
}
