// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Alert, Button, Center, Loader, Modal, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect } from 'react';
import { follow } from '../live';
import { channel, refresh, signInURL, useSession } from '../session';
import { Failed } from '../ui/States';
import { Logo } from './Logo';

interface Issuer {
  name: string;
  browser: boolean;
}

/** Gate shows the sign-in until somebody is known, and again, over the page, when the session has ended. */
export function Gate({ children }: { children: ReactNode }) {
  const session = useSession();
  const first = useQuery({ queryKey: ['session'], queryFn: refresh, retry: 3, gcTime: 0 });
  const known = session.kind === 'signedIn' || session.kind === 'expired';
  useEffect(() => (known ? follow() : undefined), [known]);
  useEffect(() => {
    const seen = () => {
      if (document.visibilityState === 'visible' && session.kind === 'expired') void refresh().catch(() => undefined);
    };
    document.addEventListener('visibilitychange', seen);
    addEventListener('focus', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      removeEventListener('focus', seen);
    };
  }, [session.kind]);
  if (location.pathname === '/signed-in' && known) return <SignedIn />;
  if (known) {
    return (
      <>
        {children}
        {session.kind === 'expired' && <Expired user={session.session.user} />}
      </>
    );
  }
  if (session.kind === 'signedOut') return <SignIn />;
  return (
    <Center h="100vh" p="md">
      {first.error ? <Failed error={first.error} retry={() => void first.refetch()} /> : <Loader aria-label="Loading" />}
    </Center>
  );
}

function useIssuers() {
  return useQuery({
    queryKey: ['issuers'],
    queryFn: async (): Promise<Issuer[]> => {
      const response = await fetch('/api/v1/login');
      if (!response.ok) throw await response.json();
      const body = await response.json();
      return body.issuers.filter((issuer: Issuer) => issuer.browser);
    },
  });
}

function SignIn() {
  const issuers = useIssuers();
  const version = useQuery({ queryKey: ['version'], queryFn: async () => (await fetch('/api/v1/version')).json() });
  useEffect(() => {
    document.title = 'Sign in · Canopy';
  }, []);
  return (
    <main style={{ minHeight: '100vh', display: 'grid', placeItems: 'center', padding: 16 }}>
      <div style={{ width: '100%', maxWidth: 380 }}>
        <div className="card" style={{ padding: 32 }}>
          <Stack gap="lg">
            <Logo size={40} />
            <div>
              <Title order={1}>Sign in to Canopy</Title>
              <Text c="dimmed" mt={4}>
                Kubernetes clusters for your teams, from one place.
              </Text>
            </div>
            {issuers.error ? <Failed error={issuers.error} retry={() => void issuers.refetch()} /> : null}
            <Stack gap="xs">
              {issuers.data?.map((issuer) => (
                <Button
                  key={issuer.name}
                  component="a"
                  size="md"
                  fullWidth
                  href={signInURL(issuer.name, location.pathname + location.search)}
                >
                  Continue with {issuer.name}
                </Button>
              ))}
              {issuers.data?.length === 0 && <Alert color="yellow">No issuer lets browsers in yet. An administrator sets one up.</Alert>}
            </Stack>
          </Stack>
        </div>
        <Text size="xs" c="dimmed" ta="center" mt="md">
          Canopy {version.data?.version} · <a href="/docs">API</a>
        </Text>
      </div>
    </main>
  );
}

function Expired({ user }: { user: string }) {
  const issuers = useIssuers();
  return (
    <Modal opened onClose={() => undefined} withCloseButton={false} title={<b>Your session has ended</b>}>
      <Stack>
        <Text>
          Sign in again as <b>{user}</b> in another window. What you have entered here stays, and goes on by itself.
        </Text>
        {issuers.data?.map((issuer) => (
          <Button key={issuer.name} component="a" target="_blank" href={signInURL(issuer.name, '/signed-in')} data-autofocus>
            Sign in with {issuer.name}
          </Button>
        ))}
      </Stack>
    </Modal>
  );
}

function SignedIn() {
  useEffect(() => {
    channel?.postMessage('signedIn');
    window.close();
  }, []);
  return (
    <Center h="100vh">
      <Text>You are signed in. You can close this window.</Text>
    </Center>
  );
}
