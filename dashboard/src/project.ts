// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

/** projectOf returns the project that an object is in. */
export function projectOf(object: { metadata?: { namespace?: string } }): string {
  return (object.metadata?.namespace ?? '').replace(/^project-/, '');
}
