// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Spec is everything the sandbox is told. It is written by `canopy up` and read inside.
type Spec struct {
	// Boundary is what can only be changed by ending the sandbox and starting a new one.
	Boundary Boundary `json:"boundary"`
	// Binary is the path of the canopy binary, the same inside and outside. SIGHUP replaces the running program by it.
	Binary string `json:"binary"`
	// BinaryVersion changes when the content of Binary does.
	BinaryVersion string `json:"binaryVersion"`
	// StateFile is where State is written; the path is the same inside and outside.
	StateFile string `json:"stateFile"`
	// LogDir holds one log file for each daemon; the path is the same inside and outside.
	LogDir string `json:"logDir"`
	// Daemons are started in this order, all at once unless they wait for a file.
	Daemons []Daemon `json:"daemons"`
}

// Boundary is the root file system of the sandbox and what is mounted into it.
type Boundary struct {
	// Root is the directory on the host that becomes "/".
	Root string `json:"root"`
	// Hostname is the host name inside.
	Hostname string `json:"hostname"`
	// Binds are directories of the host that are visible inside.
	Binds []Bind `json:"binds"`
}

// Bind makes the directory Source of the host visible as Target inside.
type Bind struct {
	Source string `json:"source"`
	Target string `json:"target"`
	// ReadOnly forbids writes through Target.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Daemon is a process that has to run all the time.
type Daemon struct {
	// Name also names the log file.
	Name string `json:"name"`
	// Args are the absolute path of the program and its arguments.
	Args []string `json:"args"`
	// Env is added to a minimal environment.
	Env []string `json:"env,omitempty"`
	// After are files that have to exist before the daemon is started.
	After []string `json:"after,omitempty"`
	// ConfigVersion changes when the content of the daemon's configuration files does; the daemon is then restarted.
	ConfigVersion string `json:"configVersion,omitempty"`
}

// Hash identifies the value v by its JSON form.
func Hash(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("the value %T has no JSON form: %v", v, err)) // only plain structs are hashed
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// State is what runs in the sandbox, as the sandbox itself last wrote it.
type State struct {
	// SpecHash is the hash of the Spec that is in force.
	SpecHash string `json:"specHash"`
	// Daemons is keyed by name.
	Daemons map[string]DaemonState `json:"daemons"`
}

// DaemonState is one daemon in State.
type DaemonState struct {
	// PID inside the sandbox; 0 when the daemon does not run.
	PID int `json:"pid"`
	// Hash of the Daemon that the process was started with.
	Hash string `json:"hash"`
	// StartedAt is when the process was started, in seconds since 1970; 0 when it never was.
	StartedAt int64 `json:"startedAt"`
	// Restarts counts the starts after the first.
	Restarts int `json:"restarts"`
	// Message says why the daemon does not run.
	Message string `json:"message,omitempty"`
}

// ReadSpec reads the spec at path.
func ReadSpec(path string) (Spec, error) {
	var spec Spec
	if err := readJSON(path, &spec); err != nil {
		return Spec{}, fmt.Errorf("read the sandbox's spec: %w", err)
	}
	return spec, nil
}

// ReadState reads the state at path; it is empty when there is none yet.
func ReadState(path string) (State, error) {
	var state State
	if err := readJSON(path, &state); err != nil && !errors.Is(err, os.ErrNotExist) {
		return State{}, fmt.Errorf("read the sandbox's state: %w", err)
	}
	return state, nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// WriteJSON writes v to path so that a reader sees either the old or the new content, whatever is killed when.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(data, '\n'), 0o600)
}

// WriteFile replaces the file at path as a whole: a reader, also one after a power cut, sees either the old or the new
// content.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once renamed, as it should
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
