// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// newCreateTokenCommand returns "canopy create token": a token of a service account, which is shown once.
func newCreateTokenCommand() *cobra.Command {
	var (
		f           clientFlags
		description string
		ttl         time.Duration
	)
	cmd := &cobra.Command{
		Use: "token SERVICEACCOUNT", Short: "Make a token of a service account, which is shown once", Args: cobra.ExactArgs(1),
		Example: "  canopy create token ci --ttl 12h --description pipeline > token",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, path, err := f.tokens(cmd, args[0])
			if err != nil {
				return err
			}
			var made struct {
				ID      string    `json:"id"`
				Token   string    `json:"token"`
				Expires time.Time `json:"expires"`
			}
			request := api.Request{Method: http.MethodPost, Path: path, Body: map[string]any{"ttl": ttl.String(), "description": description}}
			if err := s.client.Into(cmd.Context(), request, &made); err != nil {
				return explain("making a token of "+args[0], err)
			}
			s.printf("%s\n", made.Token)
			s.say("This is %s, valid until %s. It is not shown again.\n", made.ID, made.Expires.Local().Format(time.DateTime))
			s.next("%s revoke token %s %s, when it is not needed any more", self(), args[0], made.ID)
			return nil
		},
		ValidArgsFunction: completeNames("serviceaccount"),
	}
	f.add(cmd)
	f.addProject(cmd)
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is valid: a day at the most, or what the project allows")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

// tokens returns the path of the tokens of a service account.
func (f *clientFlags) tokens(cmd *cobra.Command, account string) (*session, string, error) {
	s, err := f.open(cmd)
	if err != nil {
		return nil, "", err
	}
	project, err := s.project(cmd.Context())
	return s, api.Path("projects", project, "serviceaccounts", account, "tokens"), err
}

// newTokensCommand returns "canopy tokens": which tokens a service account has.
func newTokensCommand() *cobra.Command {
	var (
		f clientFlags
		o output.Options
	)
	cmd := &cobra.Command{
		Use: "tokens SERVICEACCOUNT", Short: "List the tokens of a service account, and when they were last used", GroupID: groupUse, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			s, path, err := f.tokens(cmd, args[0])
			if err != nil {
				return err
			}
			var list struct {
				Items []map[string]any `json:"items"`
			}
			if err := s.client.Into(cmd.Context(), api.Request{Path: path}, &list); err != nil {
				return explain("listing the tokens of "+args[0], err)
			}
			var items []unstructured.Unstructured
			for _, item := range list.Items {
				items = append(items, unstructured.Unstructured{Object: item})
			}
			return o.Print(s.out, output.Table{
				Noun: "token", Columns: columns("ID", "Description", "Created By", "Age", "Expires", "Last Used"),
				Row: valuesAt("id", "description", "createdBy", "@created", "expires", "@lastUsed"),
			}, items, false)
		},
		ValidArgsFunction: completeNames("serviceaccount"),
	}
	f.add(cmd)
	f.addProject(cmd)
	o.AddFlags(cmd.Flags())
	return cmd
}

// newRevokeCommand returns "canopy revoke".
func newRevokeCommand() *cobra.Command {
	var f clientFlags
	token := &cobra.Command{
		Use: "token SERVICEACCOUNT ID", Short: "End a token of a service account at once", Args: cobra.ExactArgs(2),
		Example: "  canopy revoke token ci token-2f7",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, path, err := f.tokens(cmd, args[0])
			if err != nil {
				return err
			}
			if err := s.client.Into(cmd.Context(), api.Request{Method: http.MethodDelete, Path: path + "/" + url.PathEscape(args[1])}, nil); err != nil {
				return explain("revoking "+args[1], err)
			}
			s.printf("token/%s revoked\n", args[1])
			return nil
		},
	}
	f.add(token)
	f.addProject(token)
	cmd := &cobra.Command{Use: "revoke", Short: "End tokens of service accounts", GroupID: groupUse, Args: cobra.NoArgs}
	cmd.AddCommand(token)
	return cmd
}
