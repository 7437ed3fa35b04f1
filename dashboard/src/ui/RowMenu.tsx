// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { ActionIcon, Menu } from '@mantine/core';
import { Ellipsis } from 'lucide-react';

export interface RowAction {
  label: string;
  danger?: boolean;
  onClick: () => void;
}

/** RowMenu is what can be done with a row; why says why it cannot. */
export function RowMenu({ name, actions, why }: { name: string; actions: RowAction[]; why?: string }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Actions for ${name}`}>
          <Ellipsis size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {why && <Menu.Label maw={260}>{why}</Menu.Label>}
        {actions.map((action) => (
          <Menu.Item key={action.label} color={action.danger ? 'red' : undefined} disabled={!!why} onClick={action.onClick}>
            {action.label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
