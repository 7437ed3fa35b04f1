// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Proxy is what a machine reaches the internet through: packages, kubelet and images. Kubernetes itself never uses it. The
// zero value is no proxy.
type Proxy struct {
	// HTTP and HTTPS are URLs, for example "http://proxy.example.com:3128"; empty: that protocol needs none.
	HTTP, HTTPS string
	// No is a comma-separated list of hosts, domains and ranges that are reached directly.
	No string
}

// Validate returns an error for what is no URL, or could not be written into a machine's files.
func (p Proxy) Validate() error {
	for _, address := range []string{p.HTTP, p.HTTPS} {
		u, err := url.Parse(address)
		if address != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "") {
			return fmt.Errorf("proxy %q: want a URL such as http://proxy.example.com:3128", address)
		}
	}
	if strings.ContainsAny(p.HTTP+p.HTTPS+p.No, " '\"\\$`\n") {
		return errors.New("proxy: blanks, quotes, $ and \\ cannot be part of an address")
	}
	return nil
}

// environment is the proxy as variables for systemd and shells, which agree on this form; empty without a proxy. Registry
// mirrors are reached directly.
func (p Proxy) environment(mirrors []string) string {
	if p.HTTP == "" && p.HTTPS == "" {
		return ""
	}
	var direct []string
	if p.No != "" {
		direct = strings.Split(p.No, ",")
	}
	for _, mirror := range mirrors {
		if u, err := url.Parse(mirror); err == nil && u.Hostname() != "" && !slices.Contains(direct, u.Hostname()) {
			direct = append(direct, u.Hostname())
		}
	}
	no := strings.Join(direct, ",")
	var lines strings.Builder
	for _, variable := range []struct{ name, value string }{{"http_proxy", p.HTTP}, {"https_proxy", p.HTTPS}, {"no_proxy", no}} {
		if variable.value != "" { // some programs read the one, some the other
			fmt.Fprintf(&lines, "%s='%s'\n%s='%s'\n", variable.name, variable.value, strings.ToUpper(variable.name), variable.value)
		}
	}
	return lines.String()
}
