// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"errors"
	"log/slog"
	"net"
	"time"
)

// maxRetry is the longest pause after a failure to accept a connection.
const maxRetry = time.Second

// Accept hands each connection to handle, which must not wait, until listener is closed; then it returns nil. It goes on
// after a failure such as too many open files, because ending would cut the connections that will make room.
func Accept(listener net.Listener, handle func(net.Conn)) error {
	pause := time.Duration(0)
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			pause = min(max(2*pause, 5*time.Millisecond), maxRetry)
			slog.Error("Cannot accept a connection", "error", err, "retryAfter", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		handle(conn)
	}
}
