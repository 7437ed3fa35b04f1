// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAnswersAreBelievedUntilRBACChanges(t *testing.T) {
	changes := &rbacChanges{in: map[string]rbacState{}}
	before, ttl := changes.now("project-a", time.Now())
	if ttl != accessTTL {
		t.Errorf("while nothing has changed, for %s", ttl)
	}
	changes.note("project-a")
	after, ttl := changes.now("project-a", time.Now())
	if after == before || ttl != shortTTL {
		t.Errorf("at once after a change, %v as before, for %s", after, ttl)
	}
	if _, ttl := changes.now("project-a", time.Now().Add(10*time.Second)); ttl < 10*time.Second || ttl > 11*time.Second {
		t.Errorf("ten seconds after a change, for %s", ttl)
	}
	other, ttl := changes.now("project-b", time.Now())
	if other != before || ttl != accessTTL {
		t.Errorf("in another namespace %v, for %s", other, ttl)
	}
	changes.note("")
	if everywhere, _ := changes.now("project-b", time.Now()); everywhere == other {
		t.Error("a change that concerns all changes nothing elsewhere")
	}
}

func TestSameRights(t *testing.T) {
	binding := func(label, user string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": label}}, Subjects: []rbacv1.Subject{{Kind: "User", Name: user}}}
	}
	role := func(verb string) *rbacv1.ClusterRole {
		return &rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{{Verbs: []string{verb}}}}
	}
	for name, tc := range map[string]struct {
		before, after any
		same          bool
	}{
		"a binding with another label":   {binding("a", "ada"), binding("b", "ada"), true},
		"a binding for somebody else":    {binding("a", "ada"), binding("a", "ben"), false},
		"a role that allows the same":    {role("get"), role("get"), true},
		"a role that allows another":     {role("get"), role("list"), false},
		"a binding that is for nobody":   {binding("a", "ada"), &rbacv1.RoleBinding{}, false},
		"bindings that are for nobody":   {&rbacv1.ClusterRoleBinding{}, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "2"}}, true},
		"roles of namespaces, like that": {&rbacv1.Role{}, &rbacv1.Role{Rules: role("get").Rules}, false},
	} {
		if got := sameRights(tc.before, tc.after); got != tc.same {
			t.Errorf("%s: %t", name, got)
		}
	}
}
