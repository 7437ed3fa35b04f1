// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { Button } from '@mantine/core';
import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from '@tanstack/react-router';
import { Compass } from 'lucide-react';
import { listSearch } from './clusters/List';
import { Home } from './projects/Home';
import { Shell } from './shell/Shell';
import { Page } from './ui/Page';
import { Empty, Failed } from './ui/States';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: ({ error }) => (
    <Page title="Something broke">
      <Failed error={error} />
    </Page>
  ),
});

/** cut keeps of the URL's search what a page knows. */
function cut<K extends string>(...keys: K[]) {
  return (raw: Record<string, unknown>): { [key in K]?: string | number } => {
    const kept = keys.filter((key) => typeof raw[key] === 'string' || typeof raw[key] === 'number').map((key) => [key, raw[key]]);
    return Object.fromEntries(kept);
  };
}

const lists = () => import('./projects/Clusters');
const project = createRoute({ getParentRoute: () => root, path: 'projects/$project' });
const cluster = createRoute({
  getParentRoute: () => project,
  path: 'clusters/$cluster',
  component: lazyRouteComponent(() => import('./clusters/Detail'), 'Detail'),
});
const admin = createRoute({ getParentRoute: () => root, path: 'admin' });

const tree = root.addChildren([
  createRoute({ getParentRoute: () => root, path: '/', component: Home }),
  createRoute({
    getParentRoute: () => root,
    path: 'clusters',
    validateSearch: listSearch,
    component: lazyRouteComponent(lists, 'AllClusters'),
  }),
  project.addChildren([
    createRoute({
      getParentRoute: () => project,
      path: '/',
      component: lazyRouteComponent(() => import('./projects/Overview'), 'Overview'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'clusters',
      validateSearch: listSearch,
      component: lazyRouteComponent(lists, 'Clusters'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'clusters/new',
      validateSearch: cut('step', 'template'),
      component: lazyRouteComponent(() => import('./clusters/create/Wizard'), 'Wizard'),
    }),
    cluster.addChildren([
      createRoute({
        getParentRoute: () => cluster,
        path: '/',
        component: lazyRouteComponent(() => import('./clusters/Overview'), 'Overview'),
      }),
      createRoute({
        getParentRoute: () => cluster,
        path: 'nodes',
        component: lazyRouteComponent(() => import('./clusters/Nodes'), 'Nodes'),
      }),
      createRoute({
        getParentRoute: () => cluster,
        path: 'controlplane',
        component: lazyRouteComponent(() => import('./clusters/ControlPlane'), 'ControlPlane'),
      }),
      createRoute({
        getParentRoute: () => cluster,
        path: 'events',
        validateSearch: cut('type'),
        component: lazyRouteComponent(() => import('./clusters/Events'), 'Events'),
      }),
      createRoute({
        getParentRoute: () => cluster,
        path: 'access',
        component: lazyRouteComponent(() => import('./clusters/Access'), 'Access'),
      }),
      createRoute({
        getParentRoute: () => cluster,
        path: 'charts',
        validateSearch: cut('range'),
        component: lazyRouteComponent(() => import('./clusters/live/Charts'), 'Charts'),
      }),
      createRoute({
        getParentRoute: () => cluster,
        path: 'terminal',
        component: lazyRouteComponent(() => import('./clusters/live/Terminal'), 'Terminal'),
      }),
      createRoute({ getParentRoute: () => cluster, path: 'yaml', component: lazyRouteComponent(() => import('./clusters/Yaml'), 'Yaml') }),
    ]),
    createRoute({
      getParentRoute: () => project,
      path: 'members',
      component: lazyRouteComponent(() => import('./projects/Members'), 'Members'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'serviceaccounts',
      component: lazyRouteComponent(() => import('./projects/ServiceAccounts'), 'ServiceAccounts'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'sshkeys',
      component: lazyRouteComponent(() => import('./projects/SSHKeys'), 'SSHKeys'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'presets',
      component: lazyRouteComponent(() => import('./projects/Presets'), 'Presets'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'templates',
      component: lazyRouteComponent(() => import('./projects/Templates'), 'Templates'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'clustersets',
      component: lazyRouteComponent(() => import('./projects/ClusterSets'), 'ClusterSets'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'clustersets/$set',
      component: lazyRouteComponent(() => import('./projects/ClusterSet'), 'ClusterSet'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'audit',
      validateSearch: cut('after', 'from'),
      component: lazyRouteComponent(() => import('./projects/Audit'), 'Audit'),
    }),
    createRoute({
      getParentRoute: () => project,
      path: 'settings',
      component: lazyRouteComponent(() => import('./projects/Settings'), 'Settings'),
    }),
  ]),
  admin.addChildren([
    createRoute({ getParentRoute: () => admin, path: '/', component: lazyRouteComponent(() => import('./admin/Fleet'), 'Fleet') }),
    createRoute({ getParentRoute: () => admin, path: 'seeds', component: lazyRouteComponent(() => import('./admin/Seeds'), 'Seeds') }),
    createRoute({
      getParentRoute: () => admin,
      path: 'datacenters',
      component: lazyRouteComponent(() => import('./admin/Datacenters'), 'Datacenters'),
    }),
    createRoute({
      getParentRoute: () => admin,
      path: 'presets',
      component: lazyRouteComponent(() => import('./admin/AdminPresets'), 'AdminPresets'),
    }),
    createRoute({
      getParentRoute: () => admin,
      path: 'releases',
      component: lazyRouteComponent(() => import('./admin/Releases'), 'Releases'),
    }),
    createRoute({
      getParentRoute: () => admin,
      path: 'users',
      component: lazyRouteComponent(() => import('./admin/AdminUsers'), 'AdminUsers'),
    }),
    createRoute({
      getParentRoute: () => admin,
      path: 'announcements',
      component: lazyRouteComponent(() => import('./admin/AdminAnnouncements'), 'AdminAnnouncements'),
    }),
    createRoute({
      getParentRoute: () => admin,
      path: 'settings',
      component: lazyRouteComponent(() => import('./admin/AdminSettings'), 'AdminSettings'),
    }),
    createRoute({
      getParentRoute: () => admin,
      path: 'audit',
      validateSearch: cut('after', 'from'),
      component: lazyRouteComponent(() => import('./projects/Audit'), 'Audit'),
    }),
  ]),
]);

export const router = createRouter({ routeTree: tree, defaultPreload: 'intent', scrollRestoration: true });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <Page title="Not found">
      <div className="card">
        <Empty
          icon={<Compass size={28} />}
          title="There is no such page"
          action={
            <Button component={Link} to="/" variant="default">
              Home
            </Button>
          }
        >
          The address may be of an older version, or mistyped.
        </Empty>
      </div>
    </Page>
  );
}
