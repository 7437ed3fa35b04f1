// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Alert, Button, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { CircleAlert, CloudOff, Lock, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Schema } from '../api';
import { asProblem, offlineCode } from '../problem';
import { Copy } from './Copy';

export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <Stack gap={10} p="md" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, i) => (
        <Skeleton key={i} height={20} width={`${92 - ((i * 17) % 40)}%`} radius="sm" />
      ))}
    </Stack>
  );
}

export function Empty({ icon, title, children, action }: { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Stack align="center" gap={6} py={48} px="md" ta="center">
      <div style={{ color: 'var(--mantine-color-dimmed)' }}>{icon}</div>
      <Title order={2}>{title}</Title>
      <Text c="dimmed" maw={460}>
        {children}
      </Text>
      {action && <div style={{ marginTop: 10 }}>{action}</div>}
    </Stack>
  );
}

/** Failed shows a problem: what, why, who can help, and what to do next. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = asProblem(error);
  const Icon = problem.code === 'ERR_FORBIDDEN' ? Lock : problem.code === offlineCode ? CloudOff : CircleAlert;
  return (
    <Alert
      color={problem.status === 403 || problem.status === 404 ? 'gray' : 'red'}
      icon={<Icon size={18} />}
      title={problem.title}
      role="alert"
    >
      <Stack gap={6}>
        {problem.detail && <Text className="wrap">{problem.detail}</Text>}
        {problem.errors?.map((item) => (
          <Text key={`${item.location}${item.message}`} size="sm" className="wrap">
            {item.location && <span className="mono">{item.location}: </span>}
            {item.message}
          </Text>
        ))}
        {problem.hint && <Text size="sm">{problem.hint}</Text>}
        <Group gap="xs" mt={2}>
          {retry && (
            <Button size="compact-sm" variant="default" onClick={retry}>
              Try again
            </Button>
          )}
          {problem.requestId && problem.owner === 'operator' && (
            <Text size="xs" c="dimmed">
              For the operator: request <span className="mono">{problem.requestId}</span>{' '}
              <Copy text={problem.requestId} what="request ID" />
            </Text>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}

/** PartialNotice says what is missing in a list whose rest is complete. */
export function PartialNotice({ partial }: { partial: Schema<'Partial'>[] | undefined }) {
  if (!partial?.length) return null;
  return (
    <Alert color="yellow" icon={<TriangleAlert size={18} />} p="sm" mb="sm">
      {partial.map((part) => (
        <Text key={part.seed} size="sm">
          Seed <b>{part.seed}</b> could not be asked, so what is there is missing here: {part.reason}
        </Text>
      ))}
    </Alert>
  );
}
