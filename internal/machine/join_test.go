// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestJoinCommandWritesWhatCloudConfigDoes runs the command in a folder that is the machine's root.
func TestJoinCommandWritesWhatCloudConfigDoes(t *testing.T) {
	for name, mod := range userDataVariants {
		t.Run(name, func(t *testing.T) {
			script := userDataOf(t, bootstrapInput(mod, func(in *BootstrapInput) { in.Format, in.Token = Script, "" }))
			root := t.TempDir()
			stub := "#!/bin/sh\necho \"$@\" >>" + root + "/systemctl\n"
			if err := os.MkdirAll(root+"/bin", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+"/bin/systemctl", []byte(stub), 0o755); err != nil {
				t.Fatal(err)
			}
			here := strings.NewReplacer(
				`"$(id -u)"`, "0", "/run/systemd/system", root, "\n. /etc/os-release\n", "\nID=debian\n", "/etc/canopy/leave ]", root+"/leave ]",
				`/dev/stdin "$2"`, `/dev/stdin "`+root+`$2"`,
			).Replace(script)
			packed, err := Pack([]byte(here))
			if err != nil {
				t.Fatal(err)
			}
			command, err := JoinCommand(packed, []byte("a certificate\n"), []byte("its key\n"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(command, "\n") || len(command) > userDataLimit {
				t.Errorf("the command has %d bytes, and is to be one line", len(command))
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(command, "sudo sh", "sh", 1))
			cmd.Env = append(os.Environ(), "PATH="+root+"/bin:"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := files(t, userDataOf(t, bootstrapInput(mod)))
			want["/etc/kubernetes/bootstrap-kubelet.conf"] = strings.Replace(want["/etc/kubernetes/bootstrap-kubelet.conf"],
				"token: abcdef.0123456789abcdef", "client-certificate: "+joinCertificate+"\n    client-key: "+joinKey, 1)
			want[joinCertificate], want[joinKey] = "a certificate\n", "its key\n"
			got := readTree(t, root+"/etc")
			delete(got, leavePath) // nobody has to take back a cloud's machine
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what the command writes (-want +got):\n%s", diff)
			}
			if info, err := os.Stat(root + joinKey); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the key may be read by others: %v", err)
			}
			calls, err := os.ReadFile(root + "/systemctl")
			if err != nil || !strings.Contains(string(calls), startUnit) {
				t.Errorf("the node is not started: %s, %v", calls, err)
			}
		})
	}
}

// readTree returns the files below <root>/etc as the machine would see them.
func readTree(t *testing.T, folder string) map[string]string {
	t.Helper()
	byPath := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		byPath["/etc"+strings.TrimPrefix(path, folder)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return byPath
}

func TestLeaveIsAShellScript(t *testing.T) {
	rendered, err := bootstrapInput(userDataVariants["name-without-dns"]).templates()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", rendered["leave"]).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
