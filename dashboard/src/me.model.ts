// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import type { Schema } from './api';

/** Rights are what a role allows in a project, as far as the page has to know beforehand. The server decides in the end. */
export interface Rights {
  edit: boolean;
  own: boolean;
  /** why explains to whom something is forbidden who could do it. */
  why: string;
}

export function rightsIn(self: Schema<'Self'> | undefined, project: string): Rights {
  if (!self) return { edit: false, own: false, why: 'Your rights are not known yet.' };
  const roles = self.projects.find((membership) => membership.name === project)?.roles ?? [];
  const own = self.admin || roles.includes('Owner');
  // A role of the administrator's own may allow anything: it is tried.
  const edit = own || roles.some((role) => role !== 'Viewer');
  const role = roles.length ? `You are ${roles.join(' and ')} in this project.` : 'You see this project by a right on the whole platform.';
  return { edit, own, why: `${role} This needs ${edit ? 'an Owner' : 'an Editor or an Owner'}.` };
}
