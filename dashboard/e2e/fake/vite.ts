// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Plugin } from 'vite';
import { Fake } from './server';

/** fakePlatform lets Vite's server answer as a platform would; CLUSTERS says how many clusters it has. */
export function fakePlatform(): Plugin {
  return {
    name: 'fake-platform',
    apply: 'serve',
    configureServer(server) {
      const fake = new Fake(Number(process.env.CLUSTERS ?? 48));
      server.middlewares.use((request, response, next) => {
        void fake.handle(request, response).then((done) => done || next());
      });
    },
  };
}
