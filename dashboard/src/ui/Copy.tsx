// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

import { ActionIcon, CopyButton, Tooltip } from '@mantine/core';
import { Check, Copy as CopyIcon } from 'lucide-react';

export function Copy({ text, what }: { text: string; what: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy ${what}`}>
          <ActionIcon variant="subtle" color="gray" size="sm" onClick={copy} aria-label={`Copy ${what}`}>
            {copied ? <Check size={14} /> : <CopyIcon size={14} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

/** Command is a line for a terminal. */
export function Command({ children }: { children: string }) {
  return (
    <div style={{ position: 'relative' }}>
      <pre className="code" style={{ paddingRight: 44, whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }} data-mono>
        {children}
      </pre>
      <div style={{ position: 'absolute', top: 8, right: 8 }}>
        <Copy text={children} what="command" />
      </div>
    </div>
  );
}
