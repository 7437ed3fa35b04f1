// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { api } from './api';
import { type Rights, rightsIn } from './me.model';

export { rightsIn } from './me.model';

/** useSelf returns who is signed in, and what that person is where. */
export function useSelf() {
  return api.useQuery('get', '/api/v1/me').data;
}

export function useRights(project: string): Rights {
  return rightsIn(useSelf(), project);
}
