// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

// Package forward accepts connections and copies between them. It runs in the gateway and its agents, and at both ends of the tunnel, where
// most connections are idle most of the time: while nothing arrives, a TCP connection holds no buffer and no descriptor but
// its own.
package forward

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Counter is told how many bytes have been copied.
type Counter interface{ Add(bytes float64) }

// Between copies in both directions until both have ended, then closes both connections. When one side ends its half, the
// other is told so and may go on. A nil Counter counts nothing.
func Between(a, b net.Conn, fromA, fromB Counter) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		half(a, b, fromB)
	}()
	half(b, a, fromA)
	<-done
	_ = a.Close() // what could go wrong has been seen by now
	_ = b.Close()
}

// half copies from src to dst until src ends. After an error neither is of use any more, so that the other half ends too.
func half(dst, src net.Conn, count Counter) {
	if err := pump(dst, src, count); err != nil {
		_ = src.Close()
		_ = dst.Close()
		return
	}
	if c, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

func pump(dst, src net.Conn, count Counter) error {
	tcp, ok := src.(*net.TCPConn)
	if !ok { // TLS keeps a buffer of its own anyhow
		n, err := io.Copy(dst, src)
		if count != nil {
			count.Add(float64(n))
		}
		return err
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	for {
		buffer, n, err := read(raw)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		_, err = dst.Write(buffer[:n])
		buffers.Put(buffer)
		if err != nil {
			return err
		}
		if count != nil {
			count.Add(float64(n))
		}
	}
}

// read waits until something can be read, and only then takes a buffer. At the end it returns 0 bytes and no buffer.
func read(raw syscall.RawConn) (buffer *[bufferSize]byte, n int, err error) {
	waitErr := raw.Read(func(fd uintptr) bool {
		buffer = buffers.Get().(*[bufferSize]byte)
		for {
			n, err = syscall.Read(int(fd), buffer[:])
			if !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		if n > 0 {
			return true
		}
		buffers.Put(buffer)
		buffer = nil
		return !errors.Is(err, syscall.EAGAIN)
	})
	if waitErr != nil {
		return nil, 0, waitErr
	}
	if err != nil {
		return nil, 0, err
	}
	return buffer, n, nil
}
