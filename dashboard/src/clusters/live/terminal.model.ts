// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

export interface Told {
  type: 'status' | 'ready' | 'end';
  message?: string;
}

/** told reads what the server says besides what is shown. What is not understood is nothing. */
export function told(text: string): Told {
  try {
    const message = JSON.parse(text);
    if (['status', 'ready', 'end'].includes(message?.type))
      return { type: message.type, message: typeof message.message === 'string' ? message.message : undefined };
  } catch {
    // as below
  }
  return { type: 'status', message: undefined };
}

/** frame is what was typed, as the server wants it. */
export function frame(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
