// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/credential"
	"canopy.dev/canopy/internal/cli/output"
)

// loginOptions are the flags of "canopy login".
type loginOptions struct {
	clientFlags

	name, issuer, caFile string
	device, tokenStdin   bool
}

// newLoginCommand returns "canopy login".
func newLoginCommand() *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use:     "login [URL]",
		Short:   "Log in to a platform, with your browser or with a code",
		GroupID: groupStart,
		Long: `Log in to a platform: in your browser, or, where there is none (over SSH, in a container), with a code that you confirm on another device.
The address is needed the first time only. What you are given is kept in a file that only you can read, and renewed by itself; canopy
logout ends it.

Machines log in with the token of a service account: through --token-stdin, or without a login at all by $CANOPY_SERVER and $CANOPY_TOKEN.`,
		Example: `  canopy login https://canopy.example.com
  canopy login                                    # again, where you were
  canopy login https://canopy.example.com --ca-file ca.crt
  canopy login https://canopy.example.com --name prod --token-stdin < token`,
		Args: cobra.MaximumNArgs(1),
		RunE: o.run,
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.name, "name", "", "what to call the platform, in canopy context ls; the default is its host")
	cmd.Flags().StringVar(&o.issuer, "issuer", "", "where to log in, if the platform has several ways")
	cmd.Flags().StringVar(&o.caFile, "ca-file", "", "certificates of the authority that the platform's are signed by, if it has its own")
	cmd.Flags().BoolVar(&o.device, "device", false, "log in with a code, on another device")
	cmd.Flags().BoolVar(&o.tokenStdin, "token-stdin", false, "read a token from standard input instead")
	return cmd
}

func (o *loginOptions) run(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	current, err := o.where(args)
	if err != nil {
		return err
	}
	s, err := o.openContext(cmd, current)
	if err != nil {
		return err
	}
	var c *credential.Credential
	if o.tokenStdin {
		c, err = s.readToken()
	} else {
		c, err = s.logIn(ctx, o.issuer, o.device || !credential.HasBrowser())
	}
	if err != nil {
		return err
	}
	s.current.Token = c.Token // to ask who that is
	self, err := s.me(ctx)
	if err != nil {
		return explain("logging in to "+s.current.Server, err)
	}
	if err := s.store.Save(ctx, c); err != nil {
		return err
	}
	s.current.Issuer = c.Issuer.Name
	if err := config.Update(ctx, func(file *config.Config) error {
		file.Put(s.current.Context)
		file.CurrentContext = s.current.Name
		return nil
	}); err != nil {
		return err
	}
	s.say("%s Logged in to %s as %s", s.style.Good("✓"), s.style.Bold(s.current.Name), s.style.Bold(self.Name))
	if c.RefreshToken == "" && !c.Expiry.IsZero() {
		s.say(" until %s", c.Expiry.Local().Format(time.DateTime))
	}
	s.say(".\n")
	s.next("%s", nextAfterLogin(self))
	return nil
}

func nextAfterLogin(me *me) string {
	switch {
	case len(me.Projects) == 0 && me.Admin:
		return self() + " create project NAME --owner YOU@EXAMPLE.COM"
	case len(me.Projects) == 0:
		return self() + " whoami (you are a member of no project yet: ask an administrator for one)"
	}
	return self() + " get clusters; " + self() + " create cluster NAME"
}

// where returns the platform that is meant: by its address, or the one that there is.
func (o *loginOptions) where(args []string) (config.Current, error) {
	var current config.Current
	switch {
	case len(args) == 0:
		var err error
		if current, err = config.Resolve(config.Overrides{Context: cmp.Or(o.Context, o.name)}); err != nil {
			return current, explainContext(err)
		}
		current.Token = ""
	default:
		server, host, err := parseServer(args[0])
		if err != nil {
			return current, err
		}
		file, err := config.Load()
		if err != nil {
			return current, err
		}
		current.Context = config.Context{Name: cmp.Or(o.name, host), Server: server}
		if there := file.FindServer(server); there != nil && (o.name == "" || o.name == there.Name) {
			current.Context = *there
		}
	}
	if !contextName.MatchString(current.Name) {
		return current, output.Usage("%q cannot be the name of a platform: letters, digits, '.', '_' and '-'", current.Name)
	}
	if o.caFile != "" {
		content, err := os.ReadFile(o.caFile)
		if err != nil {
			return current, &output.Error{Exit: output.ExitUsage, What: err.Error(), Err: err}
		}
		current.CertificateAuthorityData = content
	}
	return current, nil
}

var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// parseServer reads an address as people type it.
func parseServer(address string) (server, host string, err error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", "", output.Usage("%q is no address", address)
	}
	if u.Scheme != "https" {
		return "", "", output.Usage("the address has to start with https://: a token must not be read on its way")
	}
	return "https://" + u.Host, u.Hostname(), nil
}

func (s *session) readToken() (*credential.Credential, error) {
	token, _ := bufio.NewReader(s.in).ReadString('\n') // it may have no end of line
	if token = strings.TrimSpace(token); token == "" {
		return nil, output.Usage("there is no token on standard input")
	}
	return &credential.Credential{Token: token, Expiry: credential.ExpiryOf(token)}, nil
}

// logIn asks the platform how, and the person to do it.
func (s *session) logIn(ctx context.Context, wanted string, device bool) (*credential.Credential, error) {
	var ways struct {
		Issuers []credential.Issuer `json:"issuers"`
	}
	if err := s.anonymous.Into(ctx, api.Request{Path: api.Path("login")}, &ways); err != nil {
		return nil, explain("asking "+s.current.Server+" how to log in", err)
	}
	wanted = cmp.Or(wanted, s.current.Issuer)
	var names []string
	for _, issuer := range ways.Issuers {
		names = append(names, issuer.Name)
		if issuer.Name == wanted || wanted == "" && len(ways.Issuers) == 1 {
			login := credential.Login{Issuer: issuer, HTTP: s.store.HTTP, Device: device && issuer.DeviceCode, Tell: func(format string, args ...any) { fmt.Fprintf(s.err, format, args...) }}
			c, err := login.Run(ctx)
			return c, explain("logging in", err)
		}
	}
	switch {
	case len(names) == 0:
		return nil, &output.Error{Exit: output.ExitForbidden, What: "nobody can log in to " + s.current.Server + " but machines, with --token-stdin", Next: "tell the operator that the platform has no issuer"}
	case wanted != "":
		return nil, output.Usage("there is no issuer %q; there are %s", wanted, strings.Join(names, ", "))
	}
	return nil, output.Usage("say where to log in, with --issuer: %s", strings.Join(names, ", "))
}

// newLogoutCommand returns "canopy logout".
func newLogoutCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use: "logout", Short: "End the login: at the issuer, and here", GroupID: groupStart, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			c, err := s.store.Load()
			if err != nil {
				s.say("You are not logged in to %s.\n", s.current.Name)
				return s.store.Delete(cmd.Context())
			}
			revokeErr := s.store.Revoke(cmd.Context(), c)
			if err := s.store.Delete(cmd.Context()); err != nil {
				return err
			}
			if revokeErr != nil {
				return &output.Error{
					Exit: output.ExitFailed, What: "the login is forgotten here, but the issuer could not be told", Why: revokeErr.Error(), Err: revokeErr,
					Next: "end the session at " + c.Issuer.Issuer,
				}
			}
			s.say("Logged out of %s.\n", s.current.Name)
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

// me is who the platform takes the person for.
type me struct {
	Name         string   `json:"name"`
	Groups       []string `json:"groups"`
	Admin        bool     `json:"admin"`
	GlobalViewer bool     `json:"globalViewer"`
	Projects     []struct {
		Name        string   `json:"name"`
		DisplayName string   `json:"displayName"`
		Roles       []string `json:"roles"`
	} `json:"projects"`
}

func (s *session) me(ctx context.Context) (*me, error) {
	who := &me{}
	return who, s.client.Into(ctx, api.Request{Path: api.Path("me")}, who)
}

// newWhoamiCommand returns "canopy whoami".
func newWhoamiCommand() *cobra.Command {
	var (
		f clientFlags
		o output.Options
	)
	cmd := &cobra.Command{
		Use: "whoami", Short: "Show who you are to the platform, and what you are in which project", GroupID: groupStart, Args: cobra.NoArgs,
		Example: "  canopy whoami\n  canopy whoami -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			if o.Machine() {
				document := map[string]any{}
				if err := s.client.Into(cmd.Context(), api.Request{Path: api.Path("me")}, &document); err != nil {
					return explain("asking who you are", err)
				}
				return o.PrintDocument(s.out, document)
			}
			who, err := s.me(cmd.Context())
			if err != nil {
				return explain("asking who you are", err)
			}
			return s.printMe(who)
		},
	}
	f.add(cmd)
	o.AddFlags(cmd.Flags())
	return cmd
}

func (s *session) printMe(who *me) error {
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "Name:\t%s\nPlatform:\t%s (%s)\nGroups:\t%s\n", who.Name, s.current.Name, s.current.Server, cmp.Or(strings.Join(who.Groups, ", "), "-"))
	switch {
	case who.Admin:
		fmt.Fprintf(table, "Rights:\tadministrator\n")
	case who.GlobalViewer:
		fmt.Fprintf(table, "Rights:\tmay see all projects\n")
	}
	for _, project := range who.Projects {
		fmt.Fprintf(table, "Project:\t%s (%s)\n", project.Name, cmp.Or(strings.Join(project.Roles, ", "), "by a right on the whole platform"))
	}
	if c, err := s.store.Load(); err == nil && s.current.Token == "" && c.RefreshToken == "" && !c.Expiry.IsZero() {
		fmt.Fprintf(table, "Until:\t%s\n", c.Expiry.Local().Format(time.DateTime))
	}
	return table.Flush()
}

// newTokenCommand returns "canopy token".
func newTokenCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use: "token", Short: "Print a token for calls of your own to the API", GroupID: groupStart, Args: cobra.NoArgs,
		Example: `  curl -H "Authorization: Bearer $(canopy token)" https://canopy.example.com/api/v1/me`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			token, err := s.token(cmd.Context())
			if err != nil {
				return explain("looking for a token", err)
			}
			s.printf("%s\n", token)
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

// newContextCommand returns "canopy context": the platforms that one knows.
func newContextCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "context", Aliases: []string{"ctx"}, Short: "List, choose, rename and forget the platforms that you use", GroupID: groupStart, Args: cobra.NoArgs,
		Example: "  canopy context ls\n  canopy context use prod",
	}
	cmd.AddCommand(newContextListCommand(), newContextUseCommand(), newContextRenameCommand(), newContextRemoveCommand())
	return cmd
}

func newContextListCommand() *cobra.Command {
	var o output.Options
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the platforms", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			file, err := config.Load()
			if err != nil {
				return err
			}
			current, _ := config.Resolve(config.Overrides{}) // that there is none is no error here
			var items []unstructured.Unstructured
			for _, x := range file.Contexts {
				marker := ""
				if x.Name == current.Name {
					marker, x.Target = "*", current.Target
				}
				items = append(items, unstructured.Unstructured{Object: map[string]any{
					"current": marker, "name": x.Name, "server": x.Server, "project": x.Project, "cluster": x.Cluster, "issuer": x.Issuer,
				}})
			}
			return o.Print(cmd.OutOrStdout(), output.Table{
				Noun: "context", Columns: columns("Current", "Name", "Server", "Project", "Cluster", "+Issuer"),
				Row: valuesAt("current", "name", "server", "project", "cluster", "issuer"),
			}, items, false)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func newContextUseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Choose the platform that commands are for", Args: cobra.ExactArgs(1), ValidArgsFunction: completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return explainContext(config.Update(cmd.Context(), func(file *config.Config) error {
				if file.Find(args[0]) == nil {
					return unknownContext(file, args[0])
				}
				file.CurrentContext = args[0]
				cmd.PrintErrf("Commands are for %s now.\n", args[0])
				return nil
			}))
		},
	}
}

func unknownContext(file *config.Config, name string) error {
	e := &config.UnknownContextError{Name: name}
	for _, x := range file.Contexts {
		e.Known = append(e.Known, x.Name)
	}
	slices.Sort(e.Known)
	return e
}

func newContextRenameCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rename NAME NEW", Short: "Call a platform something else", Args: cobra.ExactArgs(2), ValidArgsFunction: completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !contextName.MatchString(args[1]) {
				return output.Usage("%q cannot be the name of a platform: letters, digits, '.', '_' and '-'", args[1])
			}
			err := config.Update(cmd.Context(), func(file *config.Config) error {
				there := file.Find(args[0])
				switch {
				case there == nil:
					return unknownContext(file, args[0])
				case file.Find(args[1]) != nil:
					return &output.Error{Exit: output.ExitConflict, What: "there is a platform called " + args[1] + " already"}
				}
				if err := (&credential.Store{Context: args[0]}).Rename(cmd.Context(), args[1]); err != nil {
					return err
				}
				there.Name = args[1]
				if file.CurrentContext == args[0] {
					file.CurrentContext = args[1]
				}
				return nil
			})
			return explainContext(err)
		},
	}
}

func newContextRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Aliases: []string{"remove"}, Short: "Forget a platform, and the login there", Args: cobra.ExactArgs(1), ValidArgsFunction: completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			return explainContext(config.Update(cmd.Context(), func(file *config.Config) error {
				if !file.Remove(args[0]) {
					return unknownContext(file, args[0])
				}
				return (&credential.Store{Context: args[0]}).Delete(cmd.Context())
			}))
		},
	}
}

// newTargetCommand returns "canopy target": where one works.
func newTargetCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:     "target [project NAME | cluster NAME | URL | unset]",
		Short:   "Choose the project or the cluster that commands are for",
		GroupID: groupStart,
		Long: `Choose the project or the cluster that commands are for, or show what is chosen. The address of a page of the dashboard does, too.

The choice is for all shells, unless a shell has $CANOPY_SESSION_ID: then it is for that shell. Put this into the shell's start-up file
to have it so everywhere:

  export CANOPY_SESSION_ID=$$`,
		Example: "  canopy target project payments\n  canopy target cluster shop\n  canopy target https://canopy.example.com/projects/payments/clusters/shop\n  canopy target unset",
		Args:    cobra.MaximumNArgs(2),
		RunE:    f.target,

		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return []string{"project", "cluster", "unset"}, cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(args[0])(cmd, nil, toComplete)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *clientFlags) target(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	s, err := f.open(cmd)
	if err != nil {
		return err
	}
	target := config.Target{}
	name := s.current.Name
	switch {
	case len(args) == 0:
		s.printf("platform: %s\nproject:  %s\ncluster:  %s\n", name, cmp.Or(s.current.Project, "-"), cmp.Or(s.current.Cluster, "-"))
		return nil
	case args[0] == "unset" && len(args) == 1:
		return config.UnsetTarget(ctx, name)
	case len(args) == 1 && strings.Contains(args[0], "://"):
		var server string
		if server, target, err = config.ParseURL(args[0]); err != nil {
			return output.Usage("%v", err)
		}
		file, err := config.Load()
		if err != nil {
			return err
		}
		there := file.FindServer(server)
		if there == nil {
			return &output.Error{Exit: output.ExitForbidden, What: "you have never logged in to " + server, Next: self() + " login " + server}
		}
		name = there.Name
	case len(args) == 2 && args[0] == "project":
		target.Project = args[1]
		if _, err := s.find(ctx, reference{mustNoun("project"), args[1]}); err != nil {
			return err
		}
	case len(args) == 2 && args[0] == "cluster":
		i, err := s.find(ctx, reference{mustNoun("cluster"), args[1]})
		if err != nil {
			return err
		}
		target = config.Target{Project: i.project, Cluster: i.name}
	default:
		return output.Usage("say project NAME, cluster NAME, the address of a page, or unset")
	}
	forShell, err := config.SetTarget(ctx, name, target)
	if err != nil {
		return err
	}
	where := "in all shells"
	if forShell {
		where = "in this shell"
	}
	s.say("Commands are for %s %s.\n", strings.TrimSuffix(strings.Join([]string{name, target.Project, target.Cluster}, "/"), "/"), where)
	return nil
}

// mustNoun returns a noun that there is.
func mustNoun(name string) *noun {
	n, err := findNoun(name)
	if err != nil {
		panic(err) // the name is a constant
	}
	return n
}
