// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"canopy.dev/canopy/internal/install"
)

// permissions returns the page of what the master may do on a seed, from the list that is granted and checked.
func permissions(ctx context.Context) (string, error) {
	handover := install.HandoverRights()
	all, err := install.SeedRights(ctx, true)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(`<!-- Written by hack/reference from internal/install. DO NOT EDIT. -->

# What the master may do on a seed

` + "`canopy seed add`" + ` gives these rights to the service account ` + "`canopy-system/" + install.MasterAccount + "`" + ` of a seed, by roles of that name. They
are no cluster-admin's: there is no ` + "`*`" + ` for all groups, and neither ` + "`bind`, `escalate` nor `impersonate`" + `. The master checks the first list each
time it looks at the seed, and the second one before it installs; what is missing is named in the Seed's status.

A newer version of Canopy may need more. Its master then says ` + "`MissingPermission`" + ` and leaves the seed as it is, with its clusters,
until an administrator of the seed has run ` + "`canopy seed add`" + ` again.

Secrets of all namespaces are among them, because RBAC cannot limit a right to namespaces by a part of their name. Treat a seed as
you treat its control planes: run nothing else there that has secrets.

## For clusters

Needed on every seed.

`)
	writeRights(&b, handover)
	b.WriteString(`
## For the installation

Only where the master installs (` + "`spec.install: Managed`" + `). Objects for the whole cluster are named one by one. What Canopy's own service accounts
may do is in the list, too: nobody can give what he has not.

`)
	writeRights(&b, all[len(handover):])
	return b.String(), nil
}

func writeRights(b *strings.Builder, rights []install.Right) {
	b.WriteString("| where | group | resources | names | verbs | what for |\n|---|---|---|---|---|---|\n")
	for _, right := range rights {
		if right.Optional {
			right.Why += " (a seed is as good without)"
		}
		where := "everywhere"
		if right.Namespace != "" {
			where = "`" + right.Namespace + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", where, codes(groups(right.Rule)), codes(right.Rule.Resources), codes(right.Rule.ResourceNames), strings.Join(right.Rule.Verbs, ", "), cell(right.Why))
	}
}

func groups(rule rbacv1.PolicyRule) []string {
	names := make([]string, 0, len(rule.APIGroups))
	for _, group := range rule.APIGroups {
		if group == "" {
			group = "core"
		}
		names = append(names, group)
	}
	return names
}

func codes(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return "`" + strings.Join(values, "`, `") + "`"
}
