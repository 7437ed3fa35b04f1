// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/install"
	"canopy.dev/canopy/internal/master"
	"canopy.dev/canopy/internal/steps"
)

// seedAdd is what "canopy seed add" is told, and what its steps hand on to each other.
type seedAdd struct {
	name, file, server string
	flags              v1alpha1.SeedSpec
	gatewayDomain      string
	manual, dryRun     bool
	timeout            time.Duration
	masterAt, seedAt   target

	out          io.Writer
	progress     *steps.Progress
	seed         *v1alpha1.Seed
	config       *rest.Config // the administrator's, of the new seed
	remote       client.WithWatch
	master       client.WithWatch
	masterConfig *rest.Config
	kubeconfig   []byte
}

func newSeedAddCommand() *cobra.Command {
	a := &seedAdd{}
	cmd := &cobra.Command{
		Use:   "add NAME --seed-kubeconfig FILE",
		Short: "Make a Kubernetes cluster a seed of this master, or renew the rights and credentials of one that is",
		Long: `Make a Kubernetes cluster a seed of this master.

With the rights of an administrator of the new seed, it makes an account for the master there that may do what the master needs
and nothing else (docs/reference/permissions.md), and hands the master a token of that account, which the master itself renews.
The kubeconfig that is given here is not kept. Then the master installs Canopy there.

Run it again at any time, with the same name: after an upgrade that needs more rights, or when credentials have expired.`,
		Example: "  canopy seed add seed-eu --seed-kubeconfig eu.kubeconfig --location \"AWS eu-west-1\"\n" +
			"  canopy seed add seed-eu --seed-kubeconfig eu.kubeconfig --dry-run",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.name, a.out = args[0], cmd.OutOrStdout()
			a.progress = steps.New(a.out, isTerminal(a.out))
			ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
			defer cancel()
			return a.run(ctx)
		},
	}
	flags := cmd.Flags()
	a.seedAt.addFlags(flags, "seed-", "an administrator of the new seed")
	a.masterAt.addFlags(flags, "", "the master")
	flags.StringVarP(&a.file, "file", "f", "", "file with a Seed, for what there is no flag for")
	flags.StringVar(&a.server, "server", "", "URL of the seed's API as the master reaches it (default: that of the kubeconfig)")
	flags.StringVar(&a.flags.Address, "address", "", "IP address of the seed's nodes, for node ports (default: the first external one, or the first)")
	flags.StringVar(&a.flags.Location, "location", "", "where the seed is, for people")
	flags.StringVar(&a.flags.Country, "country", "", "where the seed is, as two letters")
	flags.StringSliceVar(&a.flags.ReservedCIDRs, "reserved-cidr", nil, "ranges that user clusters may not use: the seed's nodes, pods and Services")
	flags.StringVar(&a.flags.RegistryMirror, "registry-mirror", "", "URL of a registry that machines pull from first")
	flags.StringVar(&a.gatewayDomain, "gateway-domain", "", "DNS domain of which the seed's clusters are subdomains")
	flags.BoolVar(&a.manual, "manual", false, "do not let the master install anything there: somebody else does")
	flags.BoolVar(&a.dryRun, "dry-run", false, "check, and print what would be made")
	flags.DurationVar(&a.timeout, "timeout", 10*time.Minute, "how long to wait for the seed to be ready")
	return required(cmd, "seed-kubeconfig")
}

func (a *seedAdd) run(ctx context.Context) error {
	list := []steps.Step{{Name: "check the cluster", Run: a.check}}
	if a.dryRun {
		if err := steps.Run(ctx, a.progress, list); err != nil {
			return err
		}
		return a.print(ctx)
	}
	err := steps.Run(ctx, a.progress, append(list,
		steps.Step{Name: "make the master's account there", Run: a.makeAccount},
		steps.Step{Name: "register it with the master", Run: a.register},
		steps.Step{Name: "wait until the seed is ready", Run: a.await},
	))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, `
Seed %[1]s is ready. A datacenter says where its clusters' machines are:

  kubectl apply -f - <<EOF
  apiVersion: canopy.dev/v1alpha1
  kind: Datacenter
  metadata: {name: %[1]s}
  spec: {seed: %[1]s, provider: {local: {}}}
  EOF
`, a.name)
	return nil
}

// check reads what is to be made, connects both clusters, and looks whether the new one will do.
func (a *seedAdd) check(ctx context.Context) (err error) {
	if a.masterConfig, err = a.masterAt.load(); err != nil {
		return fmt.Errorf("the master: %w", err)
	}
	if a.config, err = a.seedAt.load(); err != nil {
		return fmt.Errorf("the new seed: %w", err)
	}
	if a.master, err = newClient(a.masterConfig); err != nil {
		return err
	}
	if a.remote, err = newClient(a.config); err != nil {
		return err
	}
	own, err := clusterID(ctx, a.master)
	if err != nil {
		return fmt.Errorf("the master: %w", err)
	}
	uid, err := clusterID(ctx, a.remote)
	if err != nil {
		return fmt.Errorf("the new seed: %w", err)
	}
	if uid == own {
		return errors.New("the two kubeconfigs lead to the same cluster. The master's own cluster becomes a seed by a Seed without spec.kubeconfigSecretName")
	}
	if err := errors.Join(a.checkServer(), a.checkOthers(ctx, uid)); err != nil {
		return err
	}
	if a.seed, err = a.wanted(ctx); err != nil {
		return err
	}
	if a.seed.Spec.Install == v1alpha1.InstallManual {
		return nil
	}
	findings, err := install.Preflight(ctx, a.config, install.Canopy(master.ChartValues(a.seed, master.PlaceholderImages())), own)
	printFindings(a.progress, findings)
	return errors.Join(err, install.Err(findings))
}

// checkOthers fails if the cluster is a seed already, by another name.
func (a *seedAdd) checkOthers(ctx context.Context, uid string) error {
	seeds := &v1alpha1.SeedList{}
	if err := a.master.List(ctx, seeds); err != nil {
		return explainMaster(err)
	}
	for i := range seeds.Items {
		if other := &seeds.Items[i]; other.Status.ClusterUID == uid && other.Name != a.name {
			return fmt.Errorf("this cluster is the seed %s already", other.Name)
		}
	}
	return nil
}

func (a *seedAdd) checkServer() error {
	if a.server == "" {
		a.server = a.config.Host
	}
	at, err := url.Parse(a.server)
	if err != nil || at.Scheme != "https" {
		return fmt.Errorf("--server: %q is not the https URL of an API", a.server)
	}
	if host := at.Hostname(); host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" {
		return fmt.Errorf("the new seed's API is at %s for you, where the master does not find it: say where it does with --server", a.server)
	}
	return nil
}

// wanted returns the Seed: that of the file, or the one that is there, or a new one, with what flags say.
func (a *seedAdd) wanted(ctx context.Context) (*v1alpha1.Seed, error) {
	seed := &v1alpha1.Seed{}
	switch err := a.master.Get(ctx, client.ObjectKey{Name: a.name}, seed); {
	case client.IgnoreNotFound(err) != nil:
		return nil, explainMaster(err)
	case err == nil && seed.Spec.KubeconfigSecretName == "":
		return nil, fmt.Errorf("seed %s is the master's own cluster: choose another name", a.name)
	case err == nil:
		seed = &v1alpha1.Seed{Spec: seed.Spec}
	}
	if a.file != "" {
		content, err := os.ReadFile(a.file)
		if err != nil {
			return nil, err
		}
		seed = &v1alpha1.Seed{}
		if err := yaml.UnmarshalStrict(content, seed); err != nil {
			return nil, fmt.Errorf("%s is no Seed: %w", a.file, err)
		}
	}
	seed.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Seed"}
	seed.Name = a.name
	if seed.Spec.KubeconfigSecretName == "" {
		seed.Spec.KubeconfigSecretName = "seed-" + a.name
	}
	a.override(&seed.Spec)
	if seed.Spec.Address == "" && seed.Spec.Install != v1alpha1.InstallManual {
		api, err := kubernetes.NewForConfig(a.config)
		if err != nil {
			return nil, err
		}
		if seed.Spec.Address, err = install.NodeAddress(ctx, api); err != nil {
			return nil, err
		}
		if seed.Spec.Address == "" {
			return nil, errors.New("the new seed has no node whose address could be taken: give one with --address")
		}
	}
	return seed, nil
}

func (a *seedAdd) override(spec *v1alpha1.SeedSpec) {
	for from, to := range map[*string]*string{
		&a.flags.Address: &spec.Address, &a.flags.Location: &spec.Location, &a.flags.Country: &spec.Country, &a.flags.RegistryMirror: &spec.RegistryMirror,
	} {
		if *from != "" {
			*to = *from
		}
	}
	if len(a.flags.ReservedCIDRs) > 0 {
		spec.ReservedCIDRs = a.flags.ReservedCIDRs
	}
	if a.gatewayDomain != "" {
		if spec.Gateway == nil {
			spec.Gateway = &v1alpha1.SeedGateway{ServiceType: corev1.ServiceTypeLoadBalancer, Port: 443, Replicas: 2}
		}
		spec.Gateway.Domain = a.gatewayDomain
	}
	if a.manual {
		spec.Install = v1alpha1.InstallManual
	} else if spec.Install == "" {
		spec.Install = v1alpha1.InstallManaged
	}
}

// namespace returns the one on the seed, marked as ours only if we make it: what is marked goes with the seed.
func (a *seedAdd) namespace(ctx context.Context) (*corev1.Namespace, error) {
	ns, there := install.Namespace(), &corev1.Namespace{}
	err := a.remote.Get(ctx, client.ObjectKeyFromObject(ns), there)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	isNew := err != nil && a.seed.Spec.Install != v1alpha1.InstallManual
	if isNew || there.Labels[v1alpha1.LabelManagedBy] == a.name {
		ns.Labels[v1alpha1.LabelManagedBy] = a.name
	}
	return ns, nil
}

// makeAccount makes the master's account with its rights, and a kubeconfig with a first token of it.
func (a *seedAdd) makeAccount(ctx context.Context) error {
	ns, err := a.namespace(ctx)
	if err != nil {
		return err
	}
	if err := apply(ctx, a.remote, ns); err != nil {
		return err
	}
	rights, err := install.SeedRights(ctx, a.seed.Spec.Install != v1alpha1.InstallManual)
	if err != nil {
		return err
	}
	for _, obj := range install.MasterObjects(rights, ns) {
		if err := apply(ctx, a.remote, obj); err != nil {
			return err
		}
	}
	api, err := kubernetes.NewForConfig(a.config)
	if err != nil {
		return err
	}
	seconds := int64(master.TokenLifetime.Seconds())
	token, err := api.CoreV1().ServiceAccounts(ns.Name).CreateToken(ctx, install.MasterAccount,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("making a token for the master: %w", err)
	}
	if err := rest.LoadTLSFiles(a.config); err != nil {
		return err
	}
	a.kubeconfig, err = clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{a.name: {
			Server: a.server, CertificateAuthorityData: a.config.CAData, TLSServerName: a.config.ServerName, InsecureSkipTLSVerify: a.config.Insecure,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{install.MasterAccount: {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{a.name: {Cluster: a.name, AuthInfo: install.MasterAccount}},
		CurrentContext: a.name,
	})
	return err
}

// register writes the Secret and the Seed; the Secret then belongs to the Seed, and goes with it.
func (a *seedAdd) register(ctx context.Context) error {
	secret := a.secret()
	secret.Data[v1alpha1.SeedKubeconfigKey] = a.kubeconfig
	if err := apply(ctx, a.master, secret); err != nil {
		return err
	}
	seed := a.seed.DeepCopy()
	if err := apply(ctx, a.master, seed); err != nil {
		return err
	}
	secret = a.secret()
	secret.Data[v1alpha1.SeedKubeconfigKey] = a.kubeconfig
	secret.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Seed", Name: seed.Name, UID: seed.UID}}
	return apply(ctx, a.master, secret)
}

func (a *seedAdd) secret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: a.seed.Spec.KubeconfigSecretName, Namespace: v1alpha1.SystemNamespace},
		Data:       map[string][]byte{},
	}
}

func (a *seedAdd) await(ctx context.Context) error {
	return awaitSeed(ctx, a.progress, a.master, a.name, func(seed *v1alpha1.Seed) (bool, error) {
		ready := meta.FindStatusCondition(seed.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == seed.Generation, nil
	})
}

// print writes what would be made, without credentials.
func (a *seedAdd) print(ctx context.Context) error {
	ns, err := a.namespace(ctx)
	if err != nil {
		return err
	}
	rights, err := install.SeedRights(ctx, a.seed.Spec.Install != v1alpha1.InstallManual)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "\n# On the new seed:")
	for _, obj := range append([]client.Object{ns}, install.MasterObjects(rights, ns)...) {
		if err := a.printObject(obj); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.out, "# On the master, where the Secret has a kubeconfig with a token of that account:")
	for _, obj := range []client.Object{a.secret(), a.seed} {
		if err := a.printObject(obj); err != nil {
			return err
		}
	}
	return nil
}

func (a *seedAdd) printObject(obj client.Object) error {
	u, err := configuration(a.master, obj)
	if err != nil {
		return err
	}
	content, err := yaml.Marshal(u.Object)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "---\n%s", content)
	return err
}

// apply writes an object by server-side apply, and reads back what became of it.
func apply(ctx context.Context, c client.Client, obj client.Object) error {
	u, err := configuration(c, obj)
	if err != nil {
		return err
	}
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("writing %s %s: %w", u.GetKind(), client.ObjectKeyFromObject(obj), err)
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj)
}

func configuration(c client.Client, obj client.Object) (*unstructured.Unstructured, error) {
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "status")
	for _, field := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	return u, nil
}
