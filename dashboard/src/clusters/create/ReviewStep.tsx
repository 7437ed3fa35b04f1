// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Tabs } from '@mantine/core';
import { Facts, Section } from '../../ui/Page';
import { CodeBlock } from '../../ui/YamlView';
import { describeMachine } from '../pool.model';
import { command, type Draft, named, toYAML } from './model';
import { toTerraform } from './terraform';

/** ReviewStep shows the very same cluster in each way in which it could be made. */
export function ReviewStep({ project, draft }: { project: string; draft: Draft }) {
  const whole = named(draft);
  const yaml = toYAML(project, draft);
  return (
    <>
      <Section title={whole.name || 'Unnamed'}>
        <Facts
          facts={[
            ['Project', project],
            ['Datacenter', whole.spec.datacenter],
            ['Kubernetes', whole.spec.version],
            ...(whole.spec.preset ? ([['Preset', whole.spec.preset]] as [string, string][]) : []),
            ...whole.pools.map((pool): [string, string] => [`Pool ${pool.name}`, `${pool.replicas} × ${describeMachine(pool.machine)}`]),
          ]}
        />
      </Section>
      <Section title="The same, elsewhere" sub="For a repository, a script, or a colleague.">
        <Tabs defaultValue="yaml" keepMounted={false}>
          <Tabs.List mb="sm">
            <Tabs.Tab value="yaml">YAML</Tabs.Tab>
            <Tabs.Tab value="command">Command</Tabs.Tab>
            <Tabs.Tab value="terraform">Terraform</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="yaml">
            <CodeBlock text={yaml} what="YAML" maxHeight={360} />
          </Tabs.Panel>
          <Tabs.Panel value="command">
            <CodeBlock text={command(project, draft)} what="command" />
          </Tabs.Panel>
          <Tabs.Panel value="terraform">
            <CodeBlock text={toTerraform(project, draft)} what="Terraform" maxHeight={360} />
          </Tabs.Panel>
        </Tabs>
      </Section>
    </>
  );
}
