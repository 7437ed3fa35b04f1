// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

const (
	// leavePath takes a machine out of its cluster.
	leavePath = "/etc/canopy/leave"
	// joinCertificate and joinKey are what a machine asks for its own certificate with.
	joinCertificate = "/etc/kubernetes/pki/join.crt"
	joinKey         = "/etc/kubernetes/pki/join.key"
	// endOfFile is a line that is in none of the files.
	endOfFile = "END_OF_FILE"
)

// start makes a machine whose files are written a node.
const start = `systemctl daemon-reload
systemctl enable --quiet --now --no-block ` + startUnit + `
echo "this machine is about to join; journalctl -fu start-node -u kubelet shows how far it is"
`

// encodeScript returns a script that begins with head and writes the files. What makes them a node is added by JoinCommand.
func encodeScript(head string, files []file) []byte {
	var script bytes.Buffer
	script.WriteString(head)
	for _, f := range files {
		writeInto(&script, f)
	}
	return script.Bytes()
}

func writeInto(script *bytes.Buffer, f file) {
	fmt.Fprintf(script, "write %s %s <<'%s'\n%s", f.Permissions, f.Path, endOfFile, f.Content)
	if f.Content != "" && !strings.HasSuffix(f.Content, "\n") {
		script.WriteString("\n")
	}
	script.WriteString(endOfFile + "\n")
}

// JoinCommand returns one line that makes the machine where it is run a node. It needs no server but the cluster's API, which
// the machine has to reach in any case. Script is what UserData has made, packed; the certificate and its key, PEM, are the
// credential in it.
func JoinCommand(script string, certificate, key []byte) (string, error) {
	content, err := unpack(script)
	if err != nil {
		return "", fmt.Errorf("reading the script of the machine: %w", err)
	}
	whole := bytes.NewBuffer(content)
	writeInto(whole, file{joinCertificate, "0600", string(certificate)})
	writeInto(whole, file{joinKey, "0600", string(key)})
	whole.WriteString(start)
	packed, err := Pack(whole.Bytes())
	if err != nil {
		return "", err
	}
	return "echo " + packed + " | base64 -d | gunzip | sudo sh", nil
}

// Pack returns the content gzipped, in base64.
func Pack(content []byte) (string, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := zip.Write(content); err != nil {
		return "", err
	}
	if err := zip.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(out.Bytes()), nil
}

func unpack(packed string) ([]byte, error) {
	zipped, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(zip, 1<<20))
}
