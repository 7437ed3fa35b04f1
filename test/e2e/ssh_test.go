// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// person has a key.
type person struct {
	signer ssh.Signer
	public string
}

func newPerson(t *testing.T) person {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return person{signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
}

// login runs a command on a machine as the user of its image.
func (p person) login(address, command string) (string, error) {
	conn, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: "debian", Auth: []ssh.AuthMethod{ssh.PublicKeys(p.signer)}, Timeout: 10 * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // the way there is kubectl's
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	session, err := conn.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.CombinedOutput(command)
	return string(out), err
}

// forward leads to a port of a pod until the test ends, and returns the address of its beginning.
func (k kube) forward(namespace, pod string, port int) string {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary(k.t, "kubectl"), "--kubeconfig", k.kubeconfig, "-n", namespace, "port-forward", pod, fmt.Sprintf(":%d", port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	if address == "" {
		k.t.Fatalf("port-forward says %q, %v", line, err)
	}
	return address
}

// sshKeysLogIn goes from a project's keys to a shell on a node that runs already, and back.
func sshKeysLogIn(t *testing.T) {
	const project, namespace = "e2e-ssh", "project-e2e-ssh"
	team(t, project, "local")
	k := seed(t)
	ada, ben := newPerson(t), newPerson(t)
	k.apply(fmt.Sprintf(`
apiVersion: canopy.dev/v1alpha1
kind: SSHKey
metadata: {name: ada, namespace: %[1]s}
spec: {publicKey: "%[2]s"}
---
apiVersion: canopy.dev/v1alpha1
kind: SSHKey
metadata: {name: ben, namespace: %[1]s}
spec: {publicKey: "%[3]s"}
`, namespace, ada.public, ben.public))
	k.run("-n", namespace, "wait", "clusters.canopy.dev/shop", "nodepool/shop-workers", "--for=condition=Ready", "--timeout=3m")
	c := ofProject(t, project, "shop")
	machine := strings.TrimSpace(k.run("-n", c.namespace, "get", "pods", "-l", "hosting.canopy.dev/component=machine", "-o", "jsonpath={.items[*].metadata.name}"))
	address := k.forward(c.namespace, "pod/"+machine, 22)

	keys := func(names string) {
		t.Helper()
		k.run("-n", namespace, "patch", "clusters.canopy.dev", "shop", "--type=merge", "-p", `{"spec": {"sshKeys": [`+names+`]}}`)
	}
	letIn := func(who string, p person) {
		t.Helper()
		eventually(t, who+" gets in, and is an administrator", 30*time.Second, func() (bool, string) {
			out, err := p.login(address, "hostname && id -un && sudo -n id -u")
			return err == nil && out == machine+"\ndebian\n0\n", fmt.Sprintf("%q, %v", out, err)
		})
	}
	refused := func(who string, p person) {
		t.Helper()
		eventually(t, who+" is refused", 30*time.Second, func() (bool, string) {
			out, err := p.login(address, "hostname")
			return err != nil && strings.Contains(err.Error(), "unable to authenticate"), fmt.Sprintf("%q, %v", out, err)
		})
	}
	refused("ada, whom nobody has named", ada)
	keys(`"ada"`)
	letIn("ada", ada)
	refused("ben", ben)
	keys(`"ben"`)
	refused("ada, whose key was taken away", ada)
	letIn("ben", ben)
	k.run("-n", namespace, "delete", "sshkey", "ben")
	refused("ben, whose key is gone from the project", ben)
	if now := strings.TrimSpace(k.run("-n", c.namespace, "get", "pods", "-l", "hosting.canopy.dev/component=machine", "-o", "jsonpath={.items[*].metadata.name}")); now != machine {
		t.Errorf("the machine was replaced: %s, before %s", now, machine)
	}
}
