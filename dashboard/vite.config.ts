// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { fakePlatform } from './e2e/fake/vite';

// compressed writes a .br and a .gz beside each text of the build: the server has nothing to compress, and no library for it.
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const [name, file] of Object.entries(bundle)) {
          const content = Buffer.from(file.type === 'chunk' ? file.code : file.source);
          if (!/\.(js|css|svg)$/.test(name) || content.length < 1024) continue;
          const br = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
          this.emitFile({ type: 'asset', fileName: `${name}.br`, source: br });
          this.emitFile({ type: 'asset', fileName: `${name}.gz`, source: gzipSync(content, { level: 9 }) });
        }
      },
    },
  };
}

/** formed are what forms are made of. */
const formed = [
  'AnnouncementSpec',
  'ClusterSetSpec',
  'ClusterSpec',
  'DatacenterSpec',
  'NodePoolSpec',
  'PresetSpec',
  'ReleaseSpec',
  'SeedSpec',
  'UserSpec',
];

// schemas lets pages import what the API says of some kinds, without references: the build and the API are of one version.
function schemas(): Plugin {
  const id = 'virtual:schemas';
  return {
    name: 'schemas',
    resolveId: (name) => (name === id ? `\0${id}` : undefined),
    load(name) {
      if (name !== `\0${id}`) return undefined;
      const all = JSON.parse(readFileSync(join(import.meta.dirname, '../api/openapi.json'), 'utf8')).components.schemas;
      const inline = (value: unknown): unknown => {
        if (Array.isArray(value)) return value.map(inline);
        if (typeof value !== 'object' || value === null) return value;
        const { $ref, ...rest } = value as Record<string, unknown>;
        const whole = typeof $ref === 'string' ? { ...all[$ref.split('/').at(-1) ?? ''], ...rest } : rest;
        return Object.fromEntries(
          Object.entries(whole)
            .filter(([key]) => !key.startsWith('x-go-'))
            .map(([key, of]) => [key, inline(of)]),
        );
      };
      const picked = Object.fromEntries(formed.map((kind) => [kind, inline(all[kind])]));
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(picked))});`;
    },
  };
}

// CANOPY_API is the platform that `npm run dev` talks to, for example https://10.202.0.2:30443; without one it makes up its own.
const platform = process.env.CANOPY_API;
const proxy = { target: platform, secure: false, changeOrigin: true };

export default defineConfig({
  plugins: [react(), schemas(), compressed(), ...(platform ? [] : [fakePlatform()])],
  server: { host: '127.0.0.1', proxy: platform ? { '/api': proxy, '/auth': proxy, '/issuer': proxy } : undefined },
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 800 },
  test: { include: ['src/**/*.test.ts'] },
});
