// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// SupervisorLog is the name of the log of process 1 itself.
const SupervisorLog = "supervisor"

// maxLogBytes is the size at which a log file is cut; one older file of at most the same size is kept.
const maxLogBytes = 32 << 20

// LogPath returns the log file of the daemon called name.
func LogPath(logDir, name string) string {
	return filepath.Join(logDir, name+".log")
}

// openLog opens the file for a process to write to. Daemons write to the file and not through the supervisor, so that
// they do not depend on it.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// trimLog copies the file to path.1 and empties it when it is longer than limit. The writer has it open for appending
// and carries on at the new end; a line written between the two steps is lost.
func trimLog(path string, limit int64) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() <= limit {
		return nil
	}
	if err != nil {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}
