// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// clockTolerance is how much clocks may differ before tokens are taken for old or not yet valid.
const clockTolerance = 30 * time.Second

// check is one thing that has to be so for the command to work. It returns what it found, or what is wrong.
type check struct {
	name string
	run  func(ctx context.Context, s *session) (string, error)
}

var checks = []check{
	{"platform", func(_ context.Context, s *session) (string, error) {
		return s.current.Name + " at " + s.current.Server, nil
	}},
	{"server", checkServer},
	{"clock", checkClock},
	{"login", checkLogin},
	{"kubectl", checkKubectl},
}

// newDoctorCommand returns "canopy doctor".
func newDoctorCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check what this command needs: the platform, its certificate, clocks, your login, kubectl", Args: cobra.NoArgs,
		Long: "Check what this command needs: the platform, its certificate, clocks, your login, kubectl. The exit code is 1 if something is wrong.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			style, bad := output.StyleOf(s.out), false
			for _, c := range checks {
				found, err := c.run(cmd.Context(), s)
				if err == nil {
					s.printf("%s %-9s %s\n", style.Good("✓"), c.name, found)
					continue
				}
				bad = true
				s.printf("%s %-9s %s\n", style.Bad("✗"), c.name, err)
				var known *output.Error
				if errors.As(explain(c.name, err), &known) && known.Next != "" {
					s.printf("  %-9s next: %s\n", "", known.Next)
				}
			}
			if bad {
				return output.Silent(output.ExitFailed)
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func checkServer(ctx context.Context, s *session) (string, error) {
	start := time.Now()
	var server struct {
		Version string `json:"version"`
	}
	if err := s.anonymous.Into(ctx, api.Request{Path: api.Path("version")}, &server); err != nil {
		return "", err
	}
	return fmt.Sprintf("answers in %s, its certificate is trusted; version %s, and this command %s", time.Since(start).Round(time.Millisecond), server.Version, ownVersion()), nil
}

func checkClock(ctx context.Context, s *session) (string, error) {
	resp, err := s.anonymous.Do(ctx, api.Request{Path: api.Path("version")})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return "the platform does not say what time it is", nil //nolint:nilerr // then there is nothing to compare with
	}
	if off := time.Since(at).Round(time.Second); off.Abs() > clockTolerance {
		return "", fmt.Errorf("this machine's clock is %s off the platform's, so logins may not be believed: set it", off)
	}
	return "agrees with the platform's", nil
}

func checkLogin(ctx context.Context, s *session) (string, error) {
	who, err := s.me(ctx)
	if err != nil {
		return "", err
	}
	return who.Name, nil
}

func checkKubectl(ctx context.Context, _ *session) (string, error) {
	path, err := exec.LookPath("kubectl")
	if err != nil {
		return "", errors.New("kubectl is not installed: https://kubernetes.io/docs/tasks/tools/")
	}
	content, err := exec.CommandContext(ctx, path, "version", "--client", "-o", "yaml").Output()
	var version struct {
		ClientVersion struct {
			GitVersion string `json:"gitVersion"`
		} `json:"clientVersion"`
	}
	if err == nil {
		err = yaml.Unmarshal(content, &version)
	}
	if err != nil {
		return "", fmt.Errorf("%s does not say its version: %w", path, err)
	}
	return path + " " + version.ClientVersion.GitVersion, nil
}

// newDebugCommand returns "canopy debug".
func newDebugCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "debug", Short: "Gather what somebody needs who helps you", Args: cobra.NoArgs}
	cmd.AddCommand(newDebugBundleCommand())
	return cmd
}

func newDebugBundleCommand() *cobra.Command {
	var (
		f    clientFlags
		path string
	)
	cmd := &cobra.Command{
		Use: "bundle CLUSTER", Short: "Write all that you may see of a cluster to an archive, without secrets", Args: cobra.ExactArgs(1),
		Long: `Write all that you may see of a cluster to an archive: its documents with their conditions, events, operations, and versions. There are
no secrets in it, but names and addresses.`,
		Example: "  canopy debug bundle demo\n  canopy debug bundle demo --file - | tar tz",
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := clusterReference(args[0])
			if err != nil {
				return err
			}
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			i, err := s.find(cmd.Context(), ref)
			if err != nil {
				return err
			}
			content, err := s.bundle(cmd.Context(), i)
			if err != nil {
				return err
			}
			if path == "-" {
				_, err = s.out.Write(content)
				return err
			}
			path = cmp.Or(path, fmt.Sprintf("canopy-%s-%s.tar.gz", i.project, i.name))
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return err
			}
			s.printf("%s\n", path)
			return nil
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addProject(cmd)
	cmd.Flags().StringVar(&path, "file", "", "archive to write; - is standard output")
	return cmd
}

// bundle returns the archive. What cannot be read is said in the archive, and keeps nothing else out of it.
func (s *session) bundle(ctx context.Context, i item) ([]byte, error) {
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressed)
	now := time.Now()
	add := func(name string, content []byte) error {
		content = []byte(api.Redact(string(content)))
		name = filepath.Join("canopy-"+i.name, name)
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: now}); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	}
	base := []string{"projects", i.project, "clusters", i.name}
	pages := map[string][]string{"version.yaml": {"version"}, "me.yaml": {"me"}, "cluster.yaml": base, "operations.yaml": {"projects", i.project, "operations"}}
	for _, kind := range []string{"nodepools", "machines", "nodes", "events", "upgrades"} {
		pages[kind+".yaml"] = append(append([]string{}, base...), kind)
	}
	err := add("client.txt", []byte(fmt.Sprintf("%s\n%s\n", userAgent(), now.UTC().Format(time.RFC3339))))
	for name, path := range pages {
		if err != nil {
			break
		}
		s.say("%s\n", strings.TrimSuffix(name, ".yaml"))
		err = add(name, s.page(ctx, path))
	}
	err = errors.Join(err, archive.Close(), compressed.Close())
	return packed.Bytes(), err
}

// page returns what is at a path as YAML, or why it cannot be had.
func (s *session) page(ctx context.Context, path []string) []byte {
	var content map[string]any
	if err := s.client.Into(ctx, api.Request{Path: api.Path(path...)}, &content); err != nil {
		return fmt.Appendf(nil, "# %v\n", err)
	}
	text, err := toYAML(&unstructured.Unstructured{Object: content})
	if err != nil {
		return fmt.Appendf(nil, "# %v\n", err)
	}
	return []byte(text)
}
