// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSpecIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spec.json")
	want := Spec{
		Boundary: Boundary{Root: "/root-1", Hostname: "node", Binds: []Bind{{Source: "/a", Target: "/b", ReadOnly: true}}},
		Binary:   "/bin/canopy", BinaryVersion: "1", StateFile: "/state", LogDir: "/logs",
		Daemons: []Daemon{{Name: "d", Args: []string{"/bin/d", "-x"}, Env: []string{"A=b"}, After: []string{"/f"}, ConfigVersion: "2"}},
	}
	if err := WriteJSON(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSpec(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if Hash(got) != Hash(want) {
		t.Error("the hash differs")
	}
}

func TestReadState(t *testing.T) {
	dir := t.TempDir()
	if state, err := ReadState(filepath.Join(dir, "absent")); err != nil || state.SpecHash != "" {
		t.Errorf("without a state: %+v, %v", state, err)
	}
	path := filepath.Join(dir, "damaged")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadState(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error = %v, want one about %s", err, path)
	}
}

func TestWriteFileReplacesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(got) != content || info.Mode() != 0o640 {
			t.Errorf("got %q, mode %v, %v, %v", got, info.Mode(), err, statErr)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestTrimLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.log")
	if err := trimLog(path, 4); err != nil {
		t.Errorf("without a file: %v", err)
	}
	f, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(s string) {
		t.Helper()
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
		if err := trimLog(path, 4); err != nil {
			t.Fatal(err)
		}
	}
	want := func(file, content string) {
		t.Helper()
		if got, err := os.ReadFile(file); err != nil || string(got) != content {
			t.Errorf("%s: %q, %v; want %q", filepath.Base(file), got, err, content)
		}
	}
	write("1234")
	want(path, "1234")
	write("5")
	want(path, "")
	want(path+".1", "12345")
	write("67") // the daemon still has the file open
	want(path, "67")
}
