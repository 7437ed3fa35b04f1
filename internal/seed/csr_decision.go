// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"

	"canopy.dev/canopy/internal/usercluster"
)

// verdict is what is done about a certificate request: the condition that it gets.
type verdict string

const (
	approve = verdict(certificatesv1.CertificateApproved)
	deny    = verdict(certificatesv1.CertificateDenied)
	// leave is for requests that are none of ours, or that more has to be known about first.
	leave verdict = "Left"
)

// decision is a verdict and why. A denied request tells kubelet to make another one, and the reader of its log why.
type decision struct {
	verdict
	reason, message string
}

// knownMachines is what is known of a cluster's machines.
type knownMachines struct {
	// byToken maps the public halves of tokens to the machines that they were made for.
	byToken map[string]string
	// open are the machines that somebody may join and nobody has joined yet.
	open map[string]bool
	// names maps machines to the names and addresses that they may be served under: their own, and their provider's.
	names map[string][]string
}

const (
	nodeUserPrefix = "system:node:"
	nodesGroup     = "system:nodes"
)

// decideCSR says what to do about a request.
//
//	first client certificate    by the token or the certificate that was made for the machine, for this machine; by a
//	                            certificate, which cannot be taken back, only until somebody has joined with it
//	renewed client certificate  by the machine's node, for itself
//	serving certificate         by the machine's node, for itself, under names and addresses that its provider knows
//
// Those that follow the rules are approved. Those of our machines that do not are denied, but for unknown addresses: these
// may become known. All others are left alone.
func decideCSR(csr *certificatesv1.CertificateSigningRequest, known knownMachines) decision {
	if len(csr.Status.Conditions) > 0 {
		return decision{leave, "", "it is decided"}
	}
	signer := csr.Spec.SignerName
	if signer != certificatesv1.KubeAPIServerClientKubeletSignerName && signer != certificatesv1.KubeletServingSignerName {
		return decision{leave, "", "its signer does not sign for machines"}
	}
	machine, ours := requestor(csr, known)
	if !ours {
		return decision{leave, "", fmt.Sprintf("%s is no machine that is known here", csr.Spec.Username)}
	}
	if byCommand := strings.HasPrefix(csr.Spec.Username, usercluster.MachineUserPrefix); byCommand && !known.open[machine] {
		return decision{deny, "Joined", fmt.Sprintf("machine %s has joined: get another command", machine)}
	}
	request, err := parseRequest(csr.Spec.Request)
	if err != nil {
		return decision{deny, "Malformed", err.Error()}
	}
	if got := request.Subject.CommonName; got != nodeUserPrefix+machine {
		return decision{deny, "OtherMachine", fmt.Sprintf("machine %s may not be %s", machine, got)}
	}
	if !slices.Equal(request.Subject.Organization, []string{nodesGroup}) {
		return decision{deny, "WrongGroup", fmt.Sprintf("a machine's only organization is %s", nodesGroup)}
	}
	if len(request.EmailAddresses) > 0 || len(request.URIs) > 0 {
		return decision{deny, "WrongName", "a machine has no e-mail address and no URI"}
	}
	if signer == certificatesv1.KubeletServingSignerName {
		return decideServing(csr, request, machine, known.names[machine])
	}
	return decideClient(csr, request, machine)
}

// requestor returns the machine that asks: by its token, by the certificate in a command, or as the node that it is.
func requestor(csr *certificatesv1.CertificateSigningRequest, known knownMachines) (string, bool) {
	if machine, ok := strings.CutPrefix(csr.Spec.Username, usercluster.MachineUserPrefix); ok && csr.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName {
		_, ours := known.names[machine]
		return machine, ours && slices.Contains(csr.Spec.Groups, usercluster.BootstrapGroup)
	}
	if id, ok := strings.CutPrefix(csr.Spec.Username, bootstrapapi.BootstrapUserPrefix); ok && csr.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName {
		machine, ours := known.byToken[id]
		return machine, ours
	}
	machine, ok := strings.CutPrefix(csr.Spec.Username, nodeUserPrefix)
	_, ours := known.names[machine]
	return machine, ok && ours && slices.Contains(csr.Spec.Groups, nodesGroup)
}

func decideClient(csr *certificatesv1.CertificateSigningRequest, request *x509.CertificateRequest, machine string) decision {
	if len(request.DNSNames) > 0 || len(request.IPAddresses) > 0 {
		return decision{deny, "WrongName", "a client certificate has no names and addresses"}
	}
	if wrong := wrongUsage(csr.Spec.Usages, certificatesv1.UsageClientAuth); wrong != "" {
		return decision{deny, "WrongUsage", wrong}
	}
	return decision{approve, "KnownMachine", fmt.Sprintf("machine %s may be a node", machine)}
}

func decideServing(csr *certificatesv1.CertificateSigningRequest, request *x509.CertificateRequest, machine string, names []string) decision {
	asked := slices.Clone(request.DNSNames)
	for _, ip := range request.IPAddresses {
		asked = append(asked, ip.String())
	}
	if len(asked) == 0 {
		return decision{deny, "WrongName", "a serving certificate needs a name or an address"}
	}
	if wrong := wrongUsage(csr.Spec.Usages, certificatesv1.UsageServerAuth); wrong != "" {
		return decision{deny, "WrongUsage", wrong}
	}
	for _, name := range asked {
		if !slices.Contains(names, name) {
			return decision{leave, "", fmt.Sprintf("machine %s is not known to be %s; it is known to be %s", machine, name, strings.Join(names, ", "))}
		}
	}
	return decision{approve, "KnownMachine", fmt.Sprintf("machine %s may serve as %s", machine, strings.Join(asked, ", "))}
}

// wrongUsage says what is wrong with the usages, empty if nothing: wanted must be among them, and nothing that it does not
// need.
func wrongUsage(usages []certificatesv1.KeyUsage, wanted certificatesv1.KeyUsage) string {
	if !slices.Contains(usages, wanted) {
		return fmt.Sprintf("the usage %q is missing", wanted)
	}
	for _, u := range usages {
		if u != wanted && u != certificatesv1.UsageDigitalSignature && u != certificatesv1.UsageKeyEncipherment {
			return fmt.Sprintf("the usage %q is not needed for %q", u, wanted)
		}
	}
	return ""
}

func parseRequest(data []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("there is no certificate request in PEM")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate request: %w", err)
	}
	return request, request.CheckSignature()
}
