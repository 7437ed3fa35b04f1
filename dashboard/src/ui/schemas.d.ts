// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

declare module 'virtual:schemas' {
  const schemas: Record<string, import('./schema.model').Schema>;
  export default schemas;
}
