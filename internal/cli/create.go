// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// createOptions are the flags that all kinds of "canopy create" share.
type createOptions struct {
	clientFlags
	output.Options

	dry string
}

func (o *createOptions) add(cmd *cobra.Command) {
	o.clientFlags.add(cmd)
	addDryRun(cmd, &o.dry)
	cmd.Flags().StringVarP(&o.Format, "output", "o", "", "print what was created: json, yaml, name, jsonpath= or go-template=")
	complete(cmd, "output", completeFormats)
}

// newCreateCommand returns "canopy create": new things, by flags for what is usual.
func newCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Create a cluster, and what belongs to it",
		GroupID: groupUse,
		Long: `Create a cluster, and what belongs to it. Flags are for what is usual. For all the rest, have the document printed (canopy render),
change it and apply it.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(
		newCreateClusterCommand(false), newCreateNodePoolCommand(), newCreateProjectCommand(), newCreateSSHKeyCommand(), newCreateMemberCommand(),
		newCreateServiceAccountCommand(), newCreateTokenCommand(),
	)
	return cmd
}

// newRenderCommand returns "canopy render": the documents that create would send.
func newRenderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "render",
		Short:   "Print the documents that create would send",
		GroupID: groupUse,
		Long:    `Print the documents that create would send, for a file that you change and apply. There are no secrets in them.`,
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(newCreateClusterCommand(true))
	return cmd
}

// send creates what a document says, and returns it. With a dry run of the client it is only returned.
func (o *createOptions) send(ctx context.Context, s *session, i item) (item, error) {
	if o.dry == dryRunClient {
		return i, nil
	}
	request := api.Request{
		Method: http.MethodPost, Path: i.noun.collection(i.project, i.cluster), Body: i.object.Object, Query: dryRunQuery(o.dry == dryRunServer),
		Header: http.Header{"Idempotency-Key": {rand.Text()}}, // a request that is sent twice makes one thing
	}
	object, err := s.client.Object(ctx, request)
	if err != nil {
		return i, explain("creating "+i.String(), err)
	}
	i.object = object
	return i, nil
}

// tell says what was created, as the person wants it.
func (o *createOptions) tell(s *session, items ...item) error {
	suffix := map[string]string{dryRunClient: " (dry run)", dryRunServer: " (server dry run)"}[o.dry]
	if o.Format == "" {
		for _, i := range items {
			s.printf("%s created%s\n", i, suffix)
		}
		return nil
	}
	if o.Format == "yaml" { // documents, as apply takes them
		for k, i := range items {
			text, err := toYAML(i.object)
			if err != nil {
				return err
			}
			if k > 0 {
				s.printf("---\n")
			}
			s.printf("%s", text)
		}
		return nil
	}
	var objects []unstructured.Unstructured
	for _, i := range items {
		objects = append(objects, *i.object)
	}
	return o.Print(s.out, items[0].noun.table(), objects, len(items) == 1)
}

// document makes the object of a kind, as it is sent.
func document(kind string, obj metav1.Object) (*unstructured.Unstructured, error) {
	content, err := toMap(obj)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(v1alpha1.GroupVersion.String())
	u.SetKind(kind)
	u.SetName(obj.GetName())
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	dropEmpty(u.Object)
	return u, nil
}

// dropEmpty takes away objects without members, which say nothing, except where being there is what they say.
func dropEmpty(content map[string]any) {
	for name, value := range content {
		inner, ok := value.(map[string]any)
		if !ok || name == "provider" {
			continue
		}
		if dropEmpty(inner); len(inner) == 0 {
			delete(content, name)
		}
	}
}

// newItem makes a thing of a kind in a place.
func newItem(kind string, at place, obj metav1.Object) (item, error) {
	n, err := nounOf(kind)
	if err != nil {
		return item{}, err
	}
	u, err := document(kind, obj)
	if err == nil && n.scope != global {
		u.SetNamespace(v1alpha1.ProjectNamespacePrefix + at.project)
	}
	return item{reference: reference{n, obj.GetName()}, place: at, object: u}, err
}

func newCreateProjectCommand() *cobra.Command {
	var (
		o     createOptions
		title string
		owner []string
	)
	cmd := &cobra.Command{
		Use: "project NAME", Short: "Create a project, as an administrator",
		Example: "  canopy create project payments --title Payments --owner ada@example.com",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.open(cmd)
			if err != nil {
				return err
			}
			project := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: args[0]}, Spec: v1alpha1.ProjectSpec{DisplayName: title}}
			for _, name := range owner {
				project.Spec.Members = append(project.Spec.Members, v1alpha1.Member{Kind: v1alpha1.MemberUser, Name: strings.ToLower(name), Role: v1alpha1.RoleOwner})
			}
			i, err := newItem("Project", place{}, project)
			if err != nil {
				return err
			}
			if i, err = o.send(cmd.Context(), s, i); err != nil {
				return err
			}
			if err := o.tell(s, i); err != nil || o.dry != "" {
				return err
			}
			s.next("%s target project %s && %s create cluster NAME", self(), i.name, self())
			return nil
		},
	}
	o.add(cmd)
	cmd.Flags().StringVar(&title, "title", "", "how people call the project")
	cmd.Flags().StringArrayVar(&owner, "owner", nil, "e-mail address of an owner; may be given more than once")
	return cmd
}

func newCreateSSHKeyCommand() *cobra.Command {
	var (
		o    createOptions
		file string
	)
	cmd := &cobra.Command{
		Use: "sshkey NAME", Short: "Add a public key to the project, for logging in to machines",
		Example: "  canopy create sshkey ada --file ~/.ssh/id_ed25519.pub",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := os.ReadFile(file)
			if err != nil {
				return &output.Error{Exit: output.ExitUsage, What: err.Error(), Err: err}
			}
			if strings.Contains(string(content), "PRIVATE KEY") {
				return output.Usage("%s is a private key, which nobody else should have: say the file that ends with .pub", file)
			}
			return o.inProject(cmd, "SSHKey", func(string) metav1.Object {
				return &v1alpha1.SSHKey{ObjectMeta: metav1.ObjectMeta{Name: args[0]}, Spec: v1alpha1.SSHKeySpec{PublicKey: strings.TrimSpace(string(content))}}
			})
		},
	}
	o.add(cmd)
	o.addProject(cmd)
	cmd.Flags().StringVar(&file, "file", "", "file with the public key")
	return required(cmd, "file")
}

// inProject creates something in the project that is meant.
func (o *createOptions) inProject(cmd *cobra.Command, kind string, make func(project string) metav1.Object) error {
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	project, err := s.project(cmd.Context())
	if err != nil {
		return err
	}
	i, err := newItem(kind, place{project: project}, make(project))
	if err != nil {
		return err
	}
	if i, err = o.send(cmd.Context(), s, i); err != nil {
		return err
	}
	return o.tell(s, i)
}

func newCreateMemberCommand() *cobra.Command {
	var (
		o          clientFlags
		role, kind string
	)
	cmd := &cobra.Command{
		Use: "member NAME --role ROLE", Short: "Add somebody to the project, as one of its owners",
		Example: "  canopy create member ben@example.com --role editor\n  canopy create member developers --kind group --role viewer",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.open(cmd)
			if err != nil {
				return err
			}
			project, err := s.project(cmd.Context())
			if err != nil {
				return err
			}
			member := map[string]any{"name": args[0], "kind": titled(kind), "role": titled(role)}
			request := api.Request{Method: http.MethodPost, Path: api.Path("projects", project, "members"), Body: member}
			if err := s.client.Into(cmd.Context(), request, nil); err != nil {
				return explain("adding "+args[0]+" to the project "+project, err)
			}
			s.printf("member/%s created\n", args[0])
			s.next("%s get members -p %s", self(), project)
			return nil
		},
	}
	o.add(cmd)
	o.addProject(cmd)
	cmd.Flags().StringVar(&role, "role", "", "owner, editor, viewer, or a role of the administrator's own")
	cmd.Flags().StringVar(&kind, "kind", "user", "user or group")
	return required(cmd, "role")
}

// titled writes the usual words as the kinds do, and leaves others as they are.
func titled(word string) string {
	for _, known := range []string{"Owner", "Editor", "Viewer", "User", "Group", "ServiceAccount"} {
		if strings.EqualFold(word, known) {
			return known
		}
	}
	return word
}

func newCreateServiceAccountCommand() *cobra.Command {
	var (
		o    clientFlags
		role string
	)
	cmd := &cobra.Command{
		Use: "serviceaccount NAME --role ROLE", Aliases: []string{"sa"}, Short: "Create an account for a machine in the project",
		Example: "  canopy create serviceaccount ci --role editor",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.open(cmd)
			if err != nil {
				return err
			}
			project, err := s.project(cmd.Context())
			if err != nil {
				return err
			}
			body := map[string]any{"metadata": map[string]any{"name": args[0]}}
			request := api.Request{Method: http.MethodPost, Path: api.Path("projects", project, "serviceaccounts"), Body: body}
			if err := s.client.Into(cmd.Context(), request, nil); err != nil {
				return explain("creating the service account "+args[0], err)
			}
			member := map[string]any{"kind": v1alpha1.MemberServiceAccount, "name": args[0], "namespace": v1alpha1.ProjectNamespacePrefix + project, "role": titled(role)}
			request = api.Request{Method: http.MethodPost, Path: api.Path("projects", project, "members"), Body: member}
			if err := s.client.Into(cmd.Context(), request, nil); err != nil {
				return explain("making the service account "+args[0]+" a member of the project", err)
			}
			s.printf("serviceaccount/%s created\n", args[0])
			s.next("%s create token %s", self(), args[0])
			return nil
		},
	}
	o.add(cmd)
	o.addProject(cmd)
	cmd.Flags().StringVar(&role, "role", "", "owner, editor or viewer of the project")
	return required(cmd, "role")
}

// printf writes the answer.
func (s *session) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }
