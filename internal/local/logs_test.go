// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	tests := map[string]struct {
		content string
		n       int
		want    string
	}{
		"the last lines":         {"a\nb\nc\n", 2, "b\nc\n"},
		"more than there are":    {"a\nb\n", 10, "a\nb\n"},
		"an unfinished line":     {"a\nb", 1, "b"},
		"none":                   {"a\nb\n", 0, ""},
		"of nothing":             {"", 3, ""},
		"empty lines are lines,": {"a\n\n\n", 2, "\n\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(tail([]byte(tc.content), tc.n)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestFileLogsFollowsAFileThatIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	appendTo := func(s string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	appendTo("a long first line\n")
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- fileLogs(ctx, writer, path, LogOptions{Tail: 10, Follow: true}) }()

	lines := bufio.NewScanner(reader)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	next("a long first line")
	appendTo("second\n")
	next("second")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo("third\n")
	next("third")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the person who stops to look gets the error %v", err)
	}
}

func TestLogsNamesWhatThereIs(t *testing.T) {
	err := Logs(t.Context(), io.Discard, "dockerd", LogOptions{})
	if err == nil || !strings.Contains(err.Error(), "containerd") || !strings.Contains(err.Error(), "NAMESPACE/POD") {
		t.Errorf("error = %v, want the names that there are", err)
	}
}
