// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { notifications } from '@mantine/notifications';
import { asProblem } from '../problem';

/** tell shows what went wrong with something small that has no form of its own. */
export async function tell(doing: Promise<unknown>): Promise<boolean> {
  try {
    await doing;
    return true;
  } catch (error) {
    const problem = asProblem(error);
    notifications.show({
      color: 'red',
      title: problem.title,
      message: [problem.detail, problem.hint].filter(Boolean).join(' '),
      autoClose: 12_000,
    });
    return false;
  }
}
