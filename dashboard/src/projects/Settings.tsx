// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button, Group, NumberInput, Stack, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { anyVersion, api, http, mergePatch, result, type Schema } from '../api';
import { count } from '../format';
import { rightsIn, useSelf } from '../me';
import { asProblem, fieldErrors } from '../problem';
import { ConfirmDelete } from '../ui/ConfirmDelete';
import { Page, Section } from '../ui/Page';
import { QuotaBars } from '../ui/QuotaBars';
import { Failed, Loading } from '../ui/States';

/** Settings is what a project is called, what it may use, and its end. */
export function Settings() {
  const { project = '' } = useParams({ strict: false });
  const reading = api.useQuery('get', '/api/v1/projects/{name}', { params: { path: { name: project } } });
  const quota = api.useQuery('get', '/api/v1/projects/{project}/quota', { params: { path: { project } } });
  const self = useSelf();
  const navigate = useNavigate();
  const [deleting, remove] = useState(false);
  if (!reading.data) return reading.error ? <Failed error={reading.error} /> : <Loading />;
  const clusters = reading.data.status?.clusters ?? 0;
  return (
    <Page title="Settings" crumbs={[{ label: project, to: `/projects/${project}` }]}>
      <Name project={reading.data} own={rightsIn(self, project).own} why={rightsIn(self, project).why} />
      <Section
        title="Quota"
        sub={self?.admin ? 'You may change it, as an administrator. An empty field is no limit.' : 'Administrators change it.'}
      >
        <div style={{ maxWidth: 560 }}>
          <QuotaBars quota={quota.data} />
          {self?.admin && <Limits project={reading.data} />}
        </div>
      </Section>
      {self?.admin && (
        <Section title="Delete this project" sub="A project with clusters in it cannot be deleted.">
          <Button
            color="red.8"
            disabled={clusters > 0}
            onClick={() => remove(true)}
            title={clusters ? `It has ${count(clusters, 'cluster')}.` : undefined}
          >
            Delete project
          </Button>
        </Section>
      )}
      {deleting && (
        <ConfirmDelete
          what="project"
          name={project}
          goes={['members, SSH keys, templates and service accounts of it']}
          onClose={() => remove(false)}
          onConfirm={async () => {
            await result(http.DELETE('/api/v1/projects/{name}', { params: { path: { name: project } }, headers: anyVersion }));
            void navigate({ to: '/' });
          }}
        />
      )}
    </Page>
  );
}

function usePatch(name: string) {
  return useMutation({
    mutationFn: (spec: object) =>
      result(http.PATCH('/api/v1/projects/{name}', { params: { path: { name } }, body: { spec } as never, ...mergePatch })),
  });
}

function Name({ project, own, why }: { project: Schema<'Project'>; own: boolean; why: string }) {
  const [text, setText] = useState(project.spec?.displayName ?? '');
  const patch = usePatch(project.metadata?.name ?? '');
  return (
    <Section title="Name">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          patch.mutate({ displayName: text });
        }}
      >
        <Group align="flex-end">
          <TextInput label="Display name" w={320} disabled={!own} value={text} onChange={(event) => setText(event.currentTarget.value)} />
          <Button
            type="submit"
            disabled={!own || text === (project.spec?.displayName ?? '')}
            title={own ? undefined : why}
            loading={patch.isPending}
          >
            Save
          </Button>
        </Group>
      </form>
      {patch.error && <Failed error={patch.error} />}
    </Section>
  );
}

function Limits({ project }: { project: Schema<'Project'> }) {
  const [quota, setQuota] = useState<Record<string, string | number | undefined>>({ ...project.spec?.quota } as Record<
    string,
    string | number
  >);
  const patch = usePatch(project.metadata?.name ?? '');
  const errors = patch.error
    ? fieldErrors(asProblem(patch.error), ['spec.quota.clusters', 'spec.quota.nodes', 'spec.quota.cpu', 'spec.quota.memory']).fields
    : {};
  const save = () =>
    patch.mutate({
      quota: Object.fromEntries(
        ['clusters', 'nodes', 'cpu', 'memory'].map((key) => [key, quota[key] === '' || quota[key] === undefined ? null : quota[key]]),
      ),
    });
  return (
    <Stack mt="lg">
      <Group align="flex-start">
        {(['clusters', 'nodes'] as const).map((key) => (
          <NumberInput
            key={key}
            label={key === 'clusters' ? 'Clusters' : 'Nodes'}
            w={110}
            min={0}
            value={quota[key] ?? ''}
            error={errors[`spec.quota.${key}`]}
            onChange={(value) => setQuota({ ...quota, [key]: value })}
          />
        ))}
        {(['cpu', 'memory'] as const).map((key) => (
          <TextInput
            key={key}
            label={key === 'cpu' ? 'CPU' : 'Memory'}
            w={110}
            placeholder={key === 'cpu' ? '16' : '64Gi'}
            value={quota[key] ?? ''}
            error={errors[`spec.quota.${key}`]}
            onChange={(event) => setQuota({ ...quota, [key]: event.currentTarget.value })}
          />
        ))}
      </Group>
      <div>
        <Button size="compact-sm" loading={patch.isPending} onClick={save}>
          Save quota
        </Button>
      </div>
      {patch.error && Object.keys(errors).length === 0 ? <Failed error={patch.error} /> : null}
    </Stack>
  );
}
