// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"canopy.dev/canopy/internal/access"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/config"
	"canopy.dev/canopy/internal/cli/output"
	"canopy.dev/canopy/internal/local"
)

// kubeconfigOptions say what kind of kubeconfig somebody wants.
type kubeconfigOptions struct {
	admin, viewer bool
	ttl           time.Duration
	alias         string
}

func (o *kubeconfigOptions) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.admin, "admin", false, "a certificate that may do everything in the cluster, for a short time; that you asked for it is recorded")
	cmd.Flags().BoolVar(&o.viewer, "viewer", false, "a certificate that may look, for a short time; for programs that cannot log in")
	cmd.Flags().DurationVar(&o.ttl, "ttl", time.Hour, "how long the certificate is valid")
	cmd.Flags().StringVar(&o.alias, "alias", "", "what to call the context; the default is canopy-PROJECT/CLUSTER")
	cmd.MarkFlagsMutuallyExclusive("admin", "viewer")
}

// newKubeconfigCommand returns "canopy kubeconfig".
func newKubeconfigCommand() *cobra.Command {
	var (
		f                clientFlags
		o                kubeconfigOptions
		operator         string
		printOnly, every bool
	)
	cmd := &cobra.Command{
		Use:     "kubeconfig [CLUSTER]",
		Short:   "Get into a cluster with kubectl: merge a kubeconfig into yours",
		GroupID: groupUse,
		Long: `Get into a cluster with kubectl: merge a kubeconfig into yours, and choose it there.

There is no secret in it. kubectl asks this command for a token of your login when it needs one, and what you may do in the cluster is what
you are in the project. --admin and --viewer give a certificate instead, which is good for a short time.

Operators get in without the API, through the kubeconfig of the master, or of a seed that has none, with --kubeconfig.`,
		Example: `  canopy kubeconfig demo && kubectl get nodes
  canopy kubeconfig --all
  canopy kubeconfig get demo --viewer --ttl 10m > demo.yaml
  canopy kubeconfig demo --admin --ttl 1h
  canopy kubeconfig demo --kubeconfig /var/lib/canopy/kubeconfig --print`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if operator != "" {
				return operatorKubeconfig(cmd, args, operator, &f, &o, printOnly)
			}
			return f.kubeconfig(cmd, args, o, printOnly, every)
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addCluster(cmd)
	o.add(cmd)
	cmd.Flags().BoolVar(&printOnly, "print", false, "write the kubeconfig to standard output instead of merging it into yours")
	cmd.Flags().BoolVarP(&every, "all", "A", false, "of all clusters that you may see")
	cmd.Flags().StringVar(&operator, "kubeconfig", "", "for operators: kubeconfig of the master, or of a seed that is used without one")
	cmd.AddCommand(newKubeconfigGetCommand(), newKubeconfigMergeCommand(), newKubeconfigRemoveCommand())
	return cmd
}

func newKubeconfigGetCommand() *cobra.Command {
	return newKubeconfigSubcommand("get [CLUSTER]", "Print a kubeconfig, and leave yours alone", true)
}

func newKubeconfigMergeCommand() *cobra.Command {
	return newKubeconfigSubcommand("merge [CLUSTER]", "Merge a kubeconfig into yours, and choose it there", false)
}

func newKubeconfigSubcommand(use, short string, printOnly bool) *cobra.Command {
	var (
		f     clientFlags
		o     kubeconfigOptions
		every bool
	)
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeNames("cluster"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.kubeconfig(cmd, args, o, printOnly, every) },
	}
	f.add(cmd)
	f.addCluster(cmd)
	o.add(cmd)
	cmd.Flags().BoolVarP(&every, "all", "A", false, "of all clusters that you may see")
	return cmd
}

func newKubeconfigRemoveCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use: "rm CLUSTER", Aliases: []string{"remove"}, Short: "Take a cluster out of your kubeconfig", Args: cobra.ExactArgs(1), ValidArgsFunction: completeNames("cluster"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			project, err := s.project(cmd.Context())
			if err != nil {
				return err
			}
			if !s.forgetCluster(cmd.Context(), item{reference: reference{mustNoun("cluster"), args[0]}, place: place{project: project}}) {
				return &output.Error{Exit: output.ExitNotFound, What: fmt.Sprintf("there is no context %s in your kubeconfig", kubeContext(project, args[0]))}
			}
			return nil
		},
	}
	f.add(cmd)
	f.addProject(cmd)
	return cmd
}

// kubeContext is what the context of a cluster is called in kubeconfigs.
func kubeContext(project, cluster string) string { return "canopy-" + project + "/" + cluster }

// clustersFor returns the clusters that are meant.
func (s *session) clustersFor(ctx context.Context, args []string, every bool) ([]item, error) {
	clusters := mustNoun("cluster")
	switch {
	case every && len(args) > 0:
		return nil, output.Usage("say either a cluster or --all")
	case every:
		list, err := s.list(ctx, clusters, true, nil)
		if err != nil {
			return nil, err
		}
		s.warnMissing(list.Missing)
		var items []item
		for i := range list.Items {
			u := &list.Items[i]
			items = append(items, item{reference: reference{clusters, u.GetName()}, place: place{project: projectOf(u)}, object: u})
		}
		return items, nil
	case len(args) == 0 && s.current.Cluster == "":
		return nil, output.Usage("say which cluster, or --all")
	}
	name := s.current.Cluster
	if len(args) > 0 {
		ref, err := clusterReference(args[0])
		if err != nil {
			return nil, err
		}
		name = ref.name
	}
	i, err := s.find(ctx, reference{clusters, name})
	return []item{i}, err
}

func (f *clientFlags) kubeconfig(cmd *cobra.Command, args []string, o kubeconfigOptions, printOnly, every bool) error {
	ctx := cmd.Context()
	s, err := f.open(cmd)
	if err != nil {
		return err
	}
	items, err := s.clustersFor(ctx, args, every)
	if err != nil {
		return err
	}
	if !printOnly && len(items) == 1 {
		return s.mergeKubeconfig(ctx, items[0], o)
	}
	all := clientcmdapi.NewConfig()
	for _, i := range items {
		one, err := s.fetchKubeconfig(ctx, i, o)
		if err != nil {
			return err
		}
		join(all, one)
	}
	if len(items) > 1 {
		all.CurrentContext = ""
	}
	if !printOnly {
		path, err := mergeIntoOwn(ctx, all)
		if err != nil {
			return err
		}
		s.say("%s %d contexts are in %s.\n", s.style.Good("✓"), len(all.Contexts), path)
		s.next("kubectl config get-contexts")
		return nil
	}
	content, err := clientcmd.Write(*all)
	if err != nil {
		return err
	}
	_, err = s.out.Write(content)
	return err
}

// fetchKubeconfig gets a kubeconfig from the API, and gives what is in it the names that it has here.
func (s *session) fetchKubeconfig(ctx context.Context, i item, o kubeconfigOptions) (*clientcmdapi.Config, error) {
	what := "getting a kubeconfig for " + i.String()
	request := api.Request{Path: api.Path("projects", i.project, "clusters", i.name, "kubeconfig"), Header: http.Header{"Accept": {"application/yaml, application/json"}}}
	if o.admin || o.viewer {
		role := map[bool]string{true: "admin", false: "viewer"}[o.admin]
		request.Method, request.Body = http.MethodPost, map[string]any{"role": role, "ttl": o.ttl.String()}
	}
	resp, err := s.client.Do(ctx, request)
	if err != nil {
		return nil, explain(what, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, explain(what, err)
	}
	loaded, err := clientcmd.Load(content)
	if err != nil || loaded.Contexts[loaded.CurrentContext] == nil {
		return nil, &output.Error{Exit: output.ExitFailed, What: what, Why: "the platform sent something that is no kubeconfig"} // the content may be secret
	}
	return s.renamed(loaded, cmp.Or(o.alias, kubeContext(i.project, i.name))), nil
}

// renamed returns the current context of a kubeconfig under another name, and has kubectl call this very program for this
// very platform.
func (s *session) renamed(from *clientcmdapi.Config, name string) *clientcmdapi.Config {
	current := from.Contexts[from.CurrentContext]
	auth, cluster := from.AuthInfos[current.AuthInfo], from.Clusters[current.Cluster]
	if auth != nil && auth.Exec != nil {
		auth.Exec.Command, auth.Exec.Args = program(), []string{"exec-credential", "--context", s.current.Name}
	}
	to := clientcmdapi.NewConfig()
	to.Clusters[name], to.AuthInfos[name] = cluster, auth
	to.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: current.Namespace, Extensions: current.Extensions}
	to.CurrentContext = name
	return to
}

// program is how others find this command: by its name where that is found, or else by where it is.
func program() string {
	own, err := os.Executable()
	if err != nil {
		return "canopy"
	}
	if found, err := exec.LookPath("canopy"); err == nil {
		if found, err = filepath.EvalSymlinks(found); err == nil && found == own {
			return "canopy"
		}
	}
	return own
}

func join(into, from *clientcmdapi.Config) {
	for name, cluster := range from.Clusters {
		into.Clusters[name] = cluster
	}
	for name, auth := range from.AuthInfos {
		into.AuthInfos[name] = auth
	}
	for name, context := range from.Contexts {
		into.Contexts[name] = context
	}
	if from.CurrentContext != "" {
		into.CurrentContext = from.CurrentContext
	}
}

// mergeKubeconfig puts a cluster into the person's kubeconfig and chooses it.
func (s *session) mergeKubeconfig(ctx context.Context, i item, o kubeconfigOptions) error {
	fetched, err := s.fetchKubeconfig(ctx, i, o)
	if err != nil {
		return err
	}
	path, err := mergeIntoOwn(ctx, fetched)
	if err != nil {
		return explain("writing your kubeconfig", err)
	}
	valid := ""
	if o.admin || o.viewer {
		valid = fmt.Sprintf("; it is valid for %s", o.ttl)
	}
	s.say("%s The context %s is in %s, and chosen%s.\n", s.style.Good("✓"), s.style.Bold(fetched.CurrentContext), path, valid)
	s.next("kubectl get nodes")
	return nil
}

// mergeIntoOwn puts what is in a kubeconfig into the person's own, of which the state before is kept beside it.
func mergeIntoOwn(ctx context.Context, from *clientcmdapi.Config) (path string, err error) {
	return changeOwn(ctx, func(mine *clientcmdapi.Config) { join(mine, from) })
}

// ownKubeconfig returns which files the person's kubeconfig is in. That of the local platform is nobody's own.
func ownKubeconfig() (*clientcmd.PathOptions, error) {
	options := clientcmd.NewDefaultPathOptions()
	if slices.Contains(options.GetLoadingPrecedence(), local.KubeconfigPath) {
		return nil, &output.Error{
			Exit: output.ExitUsage, What: fmt.Sprintf("$KUBECONFIG is %s, with which the platform itself is reached", local.KubeconfigPath),
			Why: "with a cluster in it, and chosen, nothing would find the platform", Next: "unset KUBECONFIG, or set it to a file of your own",
		}
	}
	return options, nil
}

func changeOwn(ctx context.Context, change func(*clientcmdapi.Config)) (path string, err error) {
	options, err := ownKubeconfig()
	if err != nil {
		return "", err
	}
	path = options.GetDefaultFilename()
	err = config.Locked(ctx, path+".canopy", func() error {
		if err := backUp(path); err != nil {
			return err
		}
		mine, err := options.GetStartingConfig()
		if err != nil {
			return err
		}
		change(mine)
		return clientcmd.ModifyConfig(options, *mine, false)
	})
	return path, err
}

func backUp(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return config.WriteFile(path+".canopy-backup", content)
}

// forgetCluster takes a cluster out of the person's kubeconfig, and says whether it was there.
func (s *session) forgetCluster(ctx context.Context, i item) bool {
	name, found := kubeContext(i.project, i.name), false
	own, err := clientcmd.NewDefaultPathOptions().GetStartingConfig()
	if err != nil || own.Contexts[name] == nil {
		return false
	}
	path, err := changeOwn(ctx, func(mine *clientcmdapi.Config) {
		found = true
		delete(mine.Clusters, name)
		delete(mine.AuthInfos, name)
		delete(mine.Contexts, name)
		if mine.CurrentContext == name {
			mine.CurrentContext = ""
		}
	})
	if err != nil {
		s.say("%s the context %s stays in your kubeconfig: %v\n", s.style.Waiting("Warning:"), name, err)
		return found
	}
	s.say("The context %s is out of %s.\n", name, path)
	return found
}

// operatorKubeconfig gets in without the API.
func operatorKubeconfig(cmd *cobra.Command, args []string, kubeconfig string, f *clientFlags, o *kubeconfigOptions, printOnly bool) error {
	if len(args) == 0 {
		return output.Usage("say which cluster")
	}
	flags := clusterFlags{kubeconfig: kubeconfig, project: f.Project}
	found, err := flags.find(cmd, args[0])
	if err != nil {
		return err
	}
	made, err := access.Kubeconfig(cmd.Context(), access.Request{Place: found, User: currentUser(), Groups: []string{access.AdminGroup}, TTL: o.ttl})
	if err != nil {
		return err
	}
	if printOnly {
		content, err := clientcmd.Write(*made)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(content)
		return err
	}
	path, err := mergeIntoOwn(cmd.Context(), made)
	if err != nil {
		return err
	}
	cmd.PrintErrf("The context %s is in %s, and chosen; it is valid for %s.\nNext: kubectl get nodes\n", made.CurrentContext, path, o.ttl)
	return nil
}

// clusterFlags say which user cluster an operator means, and which master or seed knows it.
type clusterFlags struct {
	kubeconfig, project string
}

// find returns the place of the cluster with the name.
func (f *clusterFlags) find(cmd *cobra.Command, name string) (access.Place, error) {
	config, err := clientConfig(f.kubeconfig)
	if err != nil {
		return access.Place{}, err
	}
	query := access.Query{Name: name}
	if cmd.Flags().Changed("project") {
		query.Project = &f.project
	}
	return access.Find(cmd.Context(), config, query)
}

func currentUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "admin"
}

// clientConfig reads how the master is reached.
func clientConfig(kubeconfig string) (*rest.Config, error) {
	if _, err := os.Stat(kubeconfig); err != nil {
		return nil, fmt.Errorf("reading the master's kubeconfig: %w: run canopy up, or name another with --kubeconfig", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the master's kubeconfig: %w", err)
	}
	return config, nil
}

// newConnectCommand returns "canopy connect": a shell, or one command, in a cluster.
func newConnectCommand() *cobra.Command {
	var (
		f clientFlags
		o kubeconfigOptions
	)
	cmd := &cobra.Command{
		Use:     "connect CLUSTER [-- COMMAND...]",
		Short:   "Run one command, or a shell, with a kubeconfig of the cluster, and leave yours alone",
		GroupID: groupUse,
		Example: "  canopy connect demo -- kubectl get nodes\n  canopy connect demo",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := f.open(cmd)
			if err != nil {
				return err
			}
			items, err := s.clustersFor(cmd.Context(), args[:1], false)
			if err != nil {
				return err
			}
			fetched, err := s.fetchKubeconfig(cmd.Context(), items[0], o)
			if err != nil {
				return err
			}
			return s.runWith(cmd.Context(), fetched, args[1:])
		},
		ValidArgsFunction: completeNames("cluster"),
	}
	f.add(cmd)
	f.addProject(cmd)
	o.add(cmd)
	return cmd
}

// runWith runs a command that finds the kubeconfig in its environment. Its exit code becomes ours.
func (s *session) runWith(ctx context.Context, kubeconfig *clientcmdapi.Config, command []string) error {
	dir, err := os.MkdirTemp("", "canopy-connect-") // 0700
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is below the directory of temporary files
	path := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		return err
	}
	if len(command) == 0 {
		command = []string{cmp.Or(os.Getenv("SHELL"), "/bin/sh")}
		s.say("kubectl is for %s in this shell, until you leave it.\n", s.style.Bold(kubeconfig.CurrentContext))
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.in, s.out, s.err
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return output.Silent(max(ended.ExitCode(), 1))
	case err != nil:
		return &output.Error{Exit: output.ExitUsage, What: "running " + strings.Join(command, " "), Why: err.Error(), Err: err}
	}
	return nil
}
