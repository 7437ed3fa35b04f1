// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import schemas from 'virtual:schemas';
import { Alert, Button, Group, SegmentedControl, Stepper, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { api, http, result } from '../../api';
import { asProblem, fieldErrors, under } from '../../problem';
import { useDebounced } from '../../ui/Now';
import { Page } from '../../ui/Page';
import { Failed } from '../../ui/States';
import { placesOf } from '../../ui/schema.model';
import { ClusterStep } from './ClusterStep';
import { DatacenterStep } from './DatacenterStep';
import { clusterBody, type Draft, emptyDraft, fromTemplate, fromYAML, missing, named, poolBody, steps, toYAML } from './model';
import { NodesStep } from './NodesStep';
import { useProvider } from './provider';
import { ReviewStep } from './ReviewStep';

export interface StepProps {
  project: string;
  draft: Draft;
  errors: Record<string, string>;
  onChange: (draft: Draft) => void;
}

const known = (draft: Draft) => [
  ...placesOf(schemas.ClusterSpec),
  ...draft.pools.flatMap((_, i) => placesOf(schemas.NodePoolSpec, `pools.${i}.`)),
];

/** useDraft is a draft that survives a reload of the page. */
function useDraft(project: string): [Draft, (draft: Draft) => void, () => void] {
  const key = `cluster-draft/${project}`;
  const [draft, set] = useState<Draft>(() => {
    try {
      return JSON.parse(sessionStorage.getItem(key) ?? '') as Draft;
    } catch {
      return emptyDraft();
    }
  });
  useEffect(() => sessionStorage.setItem(key, JSON.stringify(draft)), [key, draft]);
  return [draft, set, () => sessionStorage.removeItem(key)];
}

/** create makes the cluster, and then its pools; done are those that an attempt before has made. */
async function create(project: string, draft: Draft, done: Set<string>) {
  const whole = named(draft);
  const once = async (name: string, make: () => Promise<unknown>) => {
    if (done.has(name)) return;
    await make();
    done.add(name);
  };
  await once(`cluster/${whole.name}`, () =>
    result(http.POST('/api/v1/projects/{project}/clusters', { params: { path: { project } }, body: clusterBody(whole) as never })),
  );
  for (const [i, pool] of whole.pools.entries()) {
    const params = { path: { project, cluster: whole.name } };
    await once(`pool/${pool.name}`, () =>
      result(http.POST('/api/v1/projects/{project}/clusters/{cluster}/nodepools', { params, body: poolBody(whole.name, pool) as never })),
    ).catch((error) => {
      throw under(asProblem(error), `pools.${i}`);
    });
  }
}

export function Wizard() {
  const { project = '' } = useParams({ strict: false });
  const search = useSearch({ strict: false }) as { step?: number; template?: string };
  const navigate = useNavigate();
  const [draft, change, forget] = useDraft(project);
  const [text, setText] = useState<string>();
  const [shown, show] = useState<number>();
  const done = useRef(new Set<string>());
  const step = Math.min(Math.max(search.step ?? 0, 0), steps.length - 1);
  const go = (to: number, replace = false) => navigate({ to: '.', search: { ...search, step: to || undefined } as never, replace });
  const template = api.useQuery(
    'get',
    '/api/v1/projects/{project}/templates/{name}',
    { params: { path: { project, name: search.template ?? '' } } },
    { enabled: !!search.template },
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: a template fills the draft once, when it is there
  useEffect(() => {
    if (template.data && search.template) {
      change(fromTemplate(template.data, draft));
      void navigate({ to: '.', search: { step: 1 } as never, replace: true });
    }
  }, [template.data]);
  const provider = useProvider(project, draft.spec.datacenter);
  const settled = useDebounced(draft, 400);
  const lacks = (of: Draft, step: number) => Object.keys(missing(of, step, provider)).length > 0;
  const complete = ![0, 1, 2].some((i) => lacks(settled, i));
  const made = done.current.has(`cluster/${draft.name}`); // and a pool was refused
  // The server says what it would say: names that are taken, versions, quota, admission.
  const check = api.useQuery(
    'post',
    '/api/v1/projects/{project}/clusters',
    { params: { path: { project }, query: { dryRun: true } }, body: clusterBody(settled) as never },
    { enabled: complete && step === 3 && !made, gcTime: 0, staleTime: 0, retry: false },
  );
  const creation = useMutation({
    mutationFn: () => create(project, draft, done.current),
    onSuccess: () => {
      forget();
      void navigate({ to: '/projects/$project/clusters/$cluster', params: { project, cluster: draft.name } });
    },
  });
  const refused = made ? undefined : check.error;
  const halfway = made && !creation.isPending && !creation.isSuccess;
  const problem = creation.error ?? refused;
  const told = problem ? fieldErrors(asProblem(problem), known(draft)) : { fields: {}, rest: [] };
  const errors = { ...told.fields, ...(shown === step ? missing(draft, step, provider) : {}) };
  const next = () => {
    show(step);
    if (!lacks(draft, step)) void go(step + 1);
  };
  const edit = (next: Draft) => {
    creation.reset(); // what was said of the draft before is not about this one
    change(next);
  };
  const props: StepProps = { project, draft, errors, onChange: edit };
  const written = text === undefined ? undefined : fromYAML(text);
  const broken = written && 'error' in written ? written.error : undefined;
  return (
    <Page
      title="Create a cluster"
      crumbs={[
        { label: project, to: `/projects/${project}` },
        { label: 'Clusters', to: `/projects/${project}/clusters` },
      ]}
      actions={
        <SegmentedControl
          size="xs"
          aria-label="How to edit"
          value={text === undefined ? 'form' : 'yaml'}
          onChange={(value) => {
            if (value === 'yaml') setText(toYAML(project, draft));
            else if (!broken) setText(undefined);
          }}
          data={[
            { value: 'form', label: 'Form' },
            { value: 'yaml', label: 'YAML' },
          ]}
        />
      }
    >
      {text !== undefined ? (
        <div className="card" style={{ padding: 16 }}>
          <Textarea
            aria-label="YAML of the cluster and its pools"
            autosize
            minRows={18}
            maxRows={40}
            value={text}
            error={broken}
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }}
            onChange={(event) => {
              const content = event.currentTarget.value;
              setText(content);
              const parsed = fromYAML(content);
              if (!('error' in parsed)) edit(parsed);
            }}
          />
          <Group justify="flex-end" mt="md">
            <Button
              disabled={!!broken}
              onClick={() => {
                setText(undefined);
                void go(3);
              }}
            >
              Review
            </Button>
          </Group>
        </div>
      ) : (
        <>
          <div className="card" style={{ padding: '14px 18px', marginBottom: 16 }}>
            <Stepper active={step} size="sm" onStepClick={(to) => void go(to)} iconSize={26}>
              {steps.map((label, i) => (
                <Stepper.Step
                  key={label}
                  label={label}
                  allowStepSelect={i <= step || ![0, 1, 2].slice(0, i).some((j) => lacks(draft, j))}
                />
              ))}
            </Stepper>
          </div>
          {step === 0 && <DatacenterStep {...props} />}
          {step === 1 && <ClusterStep {...props} />}
          {step === 2 && <NodesStep {...props} />}
          {step === 3 && <ReviewStep project={project} draft={draft} />}
          {step === 3 && !complete && (
            <Alert color="yellow" mb="md">
              Something is missing still: go through the steps.
            </Alert>
          )}
          {halfway && step === 3 && (
            <Alert color="yellow" mb="md">
              The cluster is there, without all of its pools.
            </Alert>
          )}
          {problem && step === 3 ? (
            <Failed error={problem} retry={refused && !creation.error ? () => void check.refetch() : undefined} />
          ) : null}
          <Group justify="space-between" mt="md">
            <Button variant="default" disabled={step === 0} onClick={() => void go(step - 1)}>
              Back
            </Button>
            {step < 3 ? (
              <Button onClick={next}>Continue</Button>
            ) : (
              <Group gap="md">
                {check.data && !made && (
                  <span style={{ fontSize: 13, color: 'var(--canopy-good)' }}>The platform has checked this: it can be created.</span>
                )}
                <Button loading={creation.isPending} disabled={!complete || !!refused} onClick={() => creation.mutate()}>
                  {halfway ? 'Create pools' : 'Create cluster'}
                </Button>
              </Group>
            )}
          </Group>
        </>
      )}
    </Page>
  );
}
